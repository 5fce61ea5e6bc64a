"""The outbox of QuickBooks: the forms that were e-mailed.

Revision ID: 0005
"""

from alembic import op

from shared.migrations import grant_rows

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE qb_email (
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        realm_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        entity_id TEXT NOT NULL,
        doc_number TEXT,
        address TEXT NOT NULL,
        total NUMERIC(18, 2),
        balance NUMERIC(18, 2),
        sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_qb_email PRIMARY KEY (seq),
        CONSTRAINT fk_qb_email_realm_id_qb_company FOREIGN KEY(realm_id) REFERENCES qb_company (realm_id)
    )
    """,
    "CREATE INDEX ix_qb_email_realm ON qb_email (realm_id, seq)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    grant_rows(op, "sandbox", append_only=["ledger", "qb_ledger"])
