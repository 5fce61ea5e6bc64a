"""Alembic's entry: everything is in shared."""

from shared.migrations import run

from sandbox.models import Base

run(Base.metadata)
