"""Calendars tell when whom a visit is for was last told of.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE contact_copy ADD COLUMN changed_at timestamptz")
