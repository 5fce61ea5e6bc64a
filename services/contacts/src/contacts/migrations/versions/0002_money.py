"""Money: copies of billing's documents, their entries on timelines, and the sums of each contact.

Revision ID: 0002
"""

from alembic import op

from shared.migrations import grant_rows

revision = "0002"
down_revision = "0001"

KINDS = "'text', 'call', 'consent', 'import', 'merge', 'note', 'change', 'customer', 'estimate', 'invoice', 'payment', 'job'"

DDL = f"""
ALTER TABLE timeline_entry DROP CONSTRAINT ck_timeline_entry_entrykind;
ALTER TABLE timeline_entry ADD CONSTRAINT ck_timeline_entry_entrykind CHECK (kind IN ({KINDS}));
CREATE TABLE customer_link (
    customer_id UUID NOT NULL,
    version INTEGER NOT NULL,
    contact_id UUID NOT NULL,
    is_linked BOOLEAN NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_customer_link PRIMARY KEY (customer_id)
);
CREATE INDEX ix_customer_link_contact_id ON customer_link (contact_id);
CREATE TABLE estimate_copy (
    estimate_id UUID NOT NULL,
    version INTEGER NOT NULL,
    customer_id UUID NOT NULL,
    amount_cents BIGINT NOT NULL,
    currency TEXT NOT NULL,
    is_open BOOLEAN NOT NULL,
    CONSTRAINT pk_estimate_copy PRIMARY KEY (estimate_id)
);
CREATE INDEX ix_estimate_copy_customer_id ON estimate_copy (customer_id);
CREATE TABLE invoice_copy (
    invoice_id UUID NOT NULL,
    version INTEGER NOT NULL,
    customer_id UUID NOT NULL,
    amount_cents BIGINT NOT NULL,
    balance_cents BIGINT NOT NULL,
    currency TEXT NOT NULL,
    due_on DATE NOT NULL,
    passed_due_on DATE,
    CONSTRAINT pk_invoice_copy PRIMARY KEY (invoice_id)
);
CREATE INDEX ix_invoice_copy_customer_id ON invoice_copy (customer_id);
CREATE TABLE payment_copy (
    payment_id UUID NOT NULL,
    version INTEGER NOT NULL,
    customer_id UUID NOT NULL,
    amount_cents BIGINT NOT NULL,
    currency TEXT NOT NULL,
    received_on DATE NOT NULL,
    CONSTRAINT pk_payment_copy PRIMARY KEY (payment_id)
);
CREATE INDEX ix_payment_copy_customer_id ON payment_copy (customer_id);
CREATE TABLE job_copy (
    job_id UUID NOT NULL,
    version INTEGER NOT NULL,
    contact_id UUID,
    CONSTRAINT pk_job_copy PRIMARY KEY (job_id)
);
CREATE INDEX ix_job_copy_contact_id ON job_copy (contact_id);
CREATE TABLE billing_entry (
    key TEXT NOT NULL,
    about_id UUID NOT NULL,
    contact_id UUID,
    version INTEGER NOT NULL,
    kind VARCHAR(32) NOT NULL CONSTRAINT ck_billing_entry_entrykind CHECK (kind IN ({KINDS})),
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    details JSONB NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_billing_entry PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_billing_entry_key ON billing_entry (key);
CREATE INDEX ix_billing_entry_about_id ON billing_entry (about_id);
CREATE INDEX ix_billing_entry_contact_id ON billing_entry (contact_id) WHERE contact_id IS NOT NULL;
CREATE TABLE contact_money (
    contact_id UUID NOT NULL,
    customers INTEGER NOT NULL,
    invoiced_cents BIGINT NOT NULL,
    paid_cents BIGINT NOT NULL,
    balance_cents BIGINT NOT NULL,
    overdue_cents BIGINT NOT NULL,
    last_paid_on DATE,
    open_estimates INTEGER NOT NULL,
    open_estimate_cents BIGINT NOT NULL,
    has_other_currency BOOLEAN NOT NULL,
    CONSTRAINT pk_contact_money PRIMARY KEY (contact_id)
);
CREATE INDEX ix_contact_money_invoiced ON contact_money (invoiced_cents, contact_id);
CREATE INDEX ix_contact_money_paid ON contact_money (paid_cents, contact_id);
CREATE INDEX ix_contact_money_balance ON contact_money (balance_cents, contact_id);
CREATE INDEX ix_contact_money_overdue ON contact_money (overdue_cents, contact_id);
CREATE INDEX ix_contact_money_open_estimates ON contact_money (open_estimate_cents, contact_id);
CREATE INDEX ix_contact_money_last_paid ON contact_money (last_paid_on, contact_id);
"""


def upgrade() -> None:
    for statement in DDL.split(";"):
        if statement.strip():
            op.execute(statement)
    grant_rows(op, "contacts", append_only=("import_outcome",))
