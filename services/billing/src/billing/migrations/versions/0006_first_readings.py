"""Which companies were read to their end once; and customers are read again, for what their addresses have besides.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        "INSERT INTO sync_mark (realm_id, name, position, done_at)"
        " SELECT realm_id, 'history', 1, CASE WHEN bool_and(done_at IS NOT NULL) THEN max(done_at) END"
        " FROM sync_mark WHERE name LIKE 'pull %' GROUP BY realm_id"
    )
    op.execute(
        "UPDATE sync_mark SET position = 1, done_at = NULL, due_at = crm_now() WHERE name = 'pull Customer'"
    )
