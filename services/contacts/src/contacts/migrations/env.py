"""Alembic's entry: the shared runner with this service's tables."""

from contacts.models import Base
from shared.migrations import run

run(Base.metadata)
