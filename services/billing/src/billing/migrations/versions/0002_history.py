"""What the first reading of the books found, and others are still to be told.

Revision ID: 0002
"""

from alembic import op

from shared.migrations import grant_rows

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE untold_fact (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        realm_id TEXT NOT NULL,
        type TEXT NOT NULL,
        row_id UUID NOT NULL,
        CONSTRAINT pk_untold_fact PRIMARY KEY (id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    grant_rows(op, "billing", append_only=["difference_run"])
