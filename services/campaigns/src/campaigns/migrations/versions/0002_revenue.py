"""Money: copies of payments and customers' links, the entries of what was attributed, and the window.

Revision ID: 0002
"""

from alembic import op

from shared.migrations import grant_rows

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE attribution_request (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        subject VARCHAR(32) NOT NULL,
        subject_id UUID NOT NULL,
        reason VARCHAR(32) NOT NULL,
        CONSTRAINT pk_attribution_request PRIMARY KEY (id),
        CONSTRAINT ck_attribution_request_subject CHECK (subject IN ('payment', 'customer', 'contact')),
        CONSTRAINT ck_attribution_request_reason CHECK (reason IN ('payment', 'change', 'void', 'refund', 'link', 'unlink', 'merge', 'unmerge', 'text', 'window'))
    )
    """,
    "CREATE INDEX ix_attribution_request_subject ON attribution_request (subject, subject_id)",
    """
    CREATE TABLE attribution_window (
        is_only BOOLEAN NOT NULL,
        days INTEGER NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE,
        changed_by TEXT,
        sweep_after UUID,
        version INTEGER NOT NULL,
        CONSTRAINT pk_attribution_window PRIMARY KEY (is_only),
        CONSTRAINT ck_attribution_window_one_row CHECK (is_only),
        CONSTRAINT ck_attribution_window_days CHECK (days > 0)
    )
    """,
    """
    CREATE TABLE customer_link (
        customer_id UUID NOT NULL,
        contact_id UUID NOT NULL,
        version INTEGER NOT NULL,
        is_linked BOOLEAN NOT NULL,
        CONSTRAINT pk_customer_link PRIMARY KEY (customer_id)
    )
    """,
    "CREATE INDEX ix_customer_link_contact ON customer_link (contact_id)",
    """
    CREATE TABLE payment (
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        reason VARCHAR(32) NOT NULL,
        customer_id UUID NOT NULL,
        contact_id UUID,
        amount_cents BIGINT NOT NULL,
        currency TEXT NOT NULL,
        received_on DATE NOT NULL,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        applied JSONB NOT NULL,
        outcome VARCHAR(32),
        attributed_version INTEGER,
        CONSTRAINT pk_payment PRIMARY KEY (id),
        CONSTRAINT ck_payment_reason CHECK (reason IN ('payment', 'change', 'void', 'refund', 'link', 'unlink', 'merge', 'unmerge', 'text', 'window')),
        CONSTRAINT ck_payment_outcome CHECK (outcome IN ('attributed', 'not_linked', 'never_texted', 'outside_window'))
    )
    """,
    "CREATE INDEX ix_payment_contact ON payment (contact_id)",
    "CREATE INDEX ix_payment_customer ON payment (customer_id)",
    "CREATE INDEX ix_payment_received ON payment (received_on)",
    """
    CREATE TABLE revenue_entry (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        payment_id UUID NOT NULL,
        payment_version INTEGER NOT NULL,
        model VARCHAR(32) NOT NULL,
        campaign_id UUID NOT NULL,
        variant TEXT NOT NULL,
        recipient_id UUID NOT NULL,
        contact_id UUID NOT NULL,
        invoice_id UUID,
        amount_cents BIGINT NOT NULL,
        currency TEXT NOT NULL,
        reason VARCHAR(32) NOT NULL,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_revenue_entry PRIMARY KEY (id),
        CONSTRAINT ck_revenue_entry_amount CHECK (amount_cents <> 0),
        CONSTRAINT fk_revenue_entry_payment_id_payment FOREIGN KEY(payment_id) REFERENCES payment (id),
        CONSTRAINT ck_revenue_entry_model CHECK (model IN ('first_touch', 'last_touch', 'assisted')),
        CONSTRAINT ck_revenue_entry_reason CHECK (reason IN ('payment', 'change', 'void', 'refund', 'link', 'unlink', 'merge', 'unmerge', 'text', 'window'))
    )
    """,
    "CREATE INDEX ix_revenue_entry_campaign ON revenue_entry (campaign_id, id)",
    "CREATE INDEX ix_revenue_entry_contact ON revenue_entry (contact_id)",
    "CREATE INDEX ix_revenue_entry_payment ON revenue_entry (payment_id, id)",
    "INSERT INTO attribution_window (is_only, days, version) VALUES (true, 90, 1)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    grant_rows(op, "campaigns", append_only=("transition", "revenue_entry"))
