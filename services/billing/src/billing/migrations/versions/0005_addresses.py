"""What else an address of QuickBooks has: it is replaced as a whole, so that what is not edited is written with it.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TABLE customer ADD COLUMN address_rest JSONB NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE customer ALTER COLUMN address_rest DROP DEFAULT")
