"""Whether a QuickBooks company's subscription lets it be written, or read.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE qb_company ADD COLUMN subscription VARCHAR(32) NOT NULL DEFAULT 'active'"
        " CONSTRAINT ck_qb_company_subscription CHECK (subscription IN ('active', 'read_only', 'ended'))"
    )
    op.execute("ALTER TABLE qb_company ALTER COLUMN subscription DROP DEFAULT")
