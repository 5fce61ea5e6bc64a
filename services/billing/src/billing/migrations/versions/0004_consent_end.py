"""When a consent ends, however often its tokens were refreshed.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE oauth_token ADD COLUMN consent_expires_at TIMESTAMP WITH TIME ZONE")
