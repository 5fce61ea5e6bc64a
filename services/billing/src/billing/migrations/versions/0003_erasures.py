"""Who was erased: what is told of them late brings nobody back.

Revision ID: 0003
"""

from alembic import op

from shared.migrations import grant_rows

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    CREATE TABLE erased_contact (
        contact_id UUID NOT NULL,
        erased_as UUID NOT NULL,
        erased_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_erased_contact PRIMARY KEY (contact_id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    grant_rows(op, "billing", append_only=["difference_run"])
