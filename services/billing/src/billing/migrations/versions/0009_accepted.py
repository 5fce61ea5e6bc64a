"""An estimate keeps the total that was accepted. What stands in QuickBooks is mirrored whatever becomes of it there.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE estimate ADD COLUMN accepted_cents bigint")
    # The latest yes to a price is the one that counts.
    op.execute(
        "UPDATE estimate SET accepted_cents = told.cents FROM ("
        " SELECT DISTINCT ON (target_id) target_id, argument::bigint AS cents FROM push"
        " WHERE kind = 'mark_estimate' AND state <> 'dropped' ORDER BY target_id, seq DESC"
        ") AS told WHERE told.target_id = estimate.id AND estimate.status IN ('accepted', 'closed')"
    )
    # Nobody gave these days: they are counted from the day on which the draft is written.
    op.execute(
        "UPDATE estimate SET expires_on = NULL WHERE status = 'draft' AND qb_id IS NULL AND expires_on = written_on + 30"
    )
    op.execute("DROP INDEX uq_invoice_full")
    op.execute(
        "CREATE UNIQUE INDEX uq_invoice_full ON invoice (estimate_id) WHERE part = 'full'"
        " AND estimate_id IS NOT NULL AND qb_id IS NULL AND NOT is_voided AND NOT is_deleted"
    )
    # Whom a settled write was about is known by its target; nothing reads the rest.
    op.execute("UPDATE push SET body = NULL, argument = NULL, error = NULL WHERE state = 'done'")
