"""Forms are read again, for whether their discounts come off before the tax: an invoice says as its estimate does.

What was answered before it was first read counts from its last change on; what ran out, from the end of its last day.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        "UPDATE sync_mark SET position = 1, done_at = NULL, due_at = crm_now()"
        " WHERE name IN ('pull Estimate', 'pull Invoice', 'pull CreditMemo')"
    )
    op.execute(
        "UPDATE estimate SET status_at = least(status_at, qb_updated_at::timestamptz)"
        " WHERE source = 'quickbooks' AND status_at = created_at AND qb_updated_at <> ''"
    )
    op.execute(
        "UPDATE estimate SET status_at = least(status_at, (expires_on + 1)::timestamp AT TIME ZONE 'UTC')"
        " WHERE status = 'expired' AND expires_on IS NOT NULL"
    )
