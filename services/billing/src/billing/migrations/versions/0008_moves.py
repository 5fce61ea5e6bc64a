"""From whom something went to another customer is looked for by that customer, while nobody else writes the mirror.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_notice_gone ON notice (realm_id, gone_id) WHERE gone_id IS NOT NULL")
