"""Estimates are read again, for whether their discounts come off before the tax: their invoices have to say the same.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("UPDATE sync_mark SET position = 1, done_at = NULL, due_at = crm_now() WHERE name = 'pull Estimate'")
