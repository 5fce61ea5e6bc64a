"""Each item of a QuickBooks batch is remembered by itself.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE qb_request ADD COLUMN batch_item TEXT NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE qb_request ALTER COLUMN batch_item DROP DEFAULT")
    op.execute("ALTER TABLE qb_request DROP CONSTRAINT pk_qb_request")
    op.execute("ALTER TABLE qb_request ADD CONSTRAINT pk_qb_request PRIMARY KEY (realm_id, request_id, batch_item)")
