"""Alembic's entry: everything is in shared."""

from messaging.models import Base
from shared.migrations import run

run(Base.metadata)
