"""Alembic's entry point."""

from shared.migrations import run

from gateway.models import Base

run(Base.metadata)
