from probe_service.spec import Base
from shared.migrations import run

run(Base.metadata)
