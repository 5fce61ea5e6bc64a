"""The first tables: the connection, the books, what is to be written, what was told, jobs, copies of contacts."""

from alembic import op

from shared.migrations import create_shared_tables, grant_rows

revision = "0001"
down_revision = None

TABLES = (
    """
    CREATE TABLE calendar_feed (
        name TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        CONSTRAINT pk_calendar_feed PRIMARY KEY (id),
        CONSTRAINT uq_calendar_feed_token_hash UNIQUE (token_hash)
    )
    """,
    """
    CREATE TABLE connection (
        realm_id TEXT NOT NULL,
        status VARCHAR(32) NOT NULL,
        company_name TEXT,
        zone TEXT NOT NULL,
        currency TEXT NOT NULL,
        tax_percent TEXT,
        preferences JSONB NOT NULL,
        closed_until DATE,
        connected_by TEXT NOT NULL,
        connected_at TIMESTAMP WITH TIME ZONE NOT NULL,
        status_at TIMESTAMP WITH TIME ZONE NOT NULL,
        last_sync_at TIMESTAMP WITH TIME ZONE,
        last_error TEXT,
        last_error_at TIMESTAMP WITH TIME ZONE,
        version INTEGER NOT NULL,
        CONSTRAINT pk_connection PRIMARY KEY (realm_id),
        CONSTRAINT ck_connection_connectionstatus CHECK (status IN ('connected', 'needs_reconnect', 'suspended', 'disconnected'))
    )
    """,
    "CREATE UNIQUE INDEX uq_connection_active ON connection ((true)) WHERE status <> 'disconnected'",
    """
    CREATE TABLE contact_alias (
        secondary_id UUID NOT NULL,
        primary_id UUID NOT NULL,
        version INTEGER NOT NULL,
        is_merged BOOLEAN NOT NULL,
        CONSTRAINT pk_contact_alias PRIMARY KEY (secondary_id)
    )
    """,
    "CREATE INDEX ix_contact_alias_primary ON contact_alias (primary_id) WHERE is_merged",
    """
    CREATE TABLE contact_copy (
        contact_id UUID NOT NULL,
        version INTEGER NOT NULL,
        given_name TEXT,
        family_name TEXT,
        company_name TEXT,
        phones TEXT[] NOT NULL,
        emails TEXT[] NOT NULL,
        street TEXT,
        city TEXT,
        region TEXT,
        postal_code TEXT,
        name_keys TEXT[] NOT NULL,
        is_active BOOLEAN NOT NULL,
        CONSTRAINT pk_contact_copy PRIMARY KEY (contact_id)
    )
    """,
    "CREATE INDEX ix_contact_copy_emails ON contact_copy USING gin (emails)",
    "CREATE INDEX ix_contact_copy_name_keys ON contact_copy USING gin (name_keys)",
    "CREATE INDEX ix_contact_copy_phones ON contact_copy USING gin (phones)",
    """
    CREATE TABLE customer (
        display_name TEXT NOT NULL,
        given_name TEXT,
        family_name TEXT,
        company_name TEXT,
        email TEXT,
        phone TEXT,
        street TEXT,
        city TEXT,
        region TEXT,
        postal_code TEXT,
        name_keys TEXT[] NOT NULL,
        is_active BOOLEAN NOT NULL,
        merged_into_id UUID,
        source VARCHAR(32) NOT NULL,
        contact_id UUID,
        link_version INTEGER NOT NULL,
        link_reason TEXT,
        link_score INTEGER,
        linked_by TEXT,
        linked_at TIMESTAMP WITH TIME ZONE,
        needs_match BOOLEAN NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_customer PRIMARY KEY (id),
        CONSTRAINT uq_customer_realm_id_qb_id UNIQUE (realm_id, qb_id),
        CONSTRAINT ck_customer_source CHECK (source IN ('crm', 'quickbooks'))
    )
    """,
    "CREATE INDEX ix_customer_contact ON customer (contact_id) WHERE contact_id IS NOT NULL",
    "CREATE INDEX ix_customer_email ON customer (email) WHERE email IS NOT NULL",
    "CREATE INDEX ix_customer_name ON customer (lower(display_name), id)",
    "CREATE INDEX ix_customer_name_keys ON customer USING gin (name_keys)",
    "CREATE INDEX ix_customer_phone ON customer (phone) WHERE phone IS NOT NULL",
    "CREATE INDEX ix_customer_unmatched ON customer (id) WHERE needs_match",
    """
    CREATE TABLE difference_run (
        realm_id TEXT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        finished_at TIMESTAMP WITH TIME ZONE NOT NULL,
        compared JSONB NOT NULL,
        lines JSONB NOT NULL,
        id UUID NOT NULL,
        CONSTRAINT pk_difference_run PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_difference_run_started ON difference_run (started_at DESC, id DESC)",
    """
    CREATE TABLE item (
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        description TEXT,
        unit_price NUMERIC,
        is_taxable BOOLEAN NOT NULL,
        is_active BOOLEAN NOT NULL,
        id UUID NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_item PRIMARY KEY (id),
        CONSTRAINT uq_item_realm_id_qb_id UNIQUE (realm_id, qb_id)
    )
    """,
    "CREATE INDEX ix_item_name ON item (name, id)",
    """
    CREATE TABLE job (
        title TEXT NOT NULL,
        contact_id UUID NOT NULL,
        property_id UUID,
        place TEXT,
        notes TEXT,
        status VARCHAR(32) NOT NULL,
        status_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT pk_job PRIMARY KEY (id),
        CONSTRAINT ck_job_jobstatus CHECK (status IN ('open', 'scheduled', 'completed', 'cancelled'))
    )
    """,
    "CREATE INDEX ix_job_contact ON job (contact_id)",
    "CREATE INDEX ix_job_created ON job (created_at DESC, id DESC)",
    """
    CREATE TABLE match_candidate (
        customer_id UUID NOT NULL,
        contact_id UUID NOT NULL,
        score INTEGER NOT NULL,
        reasons JSONB NOT NULL,
        status VARCHAR(32) NOT NULL,
        decided_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        CONSTRAINT pk_match_candidate PRIMARY KEY (id),
        CONSTRAINT uq_match_candidate_customer_id_contact_id UNIQUE (customer_id, contact_id),
        CONSTRAINT ck_match_candidate_candidatestatus CHECK (status IN ('open', 'linked', 'refused', 'obsolete'))
    )
    """,
    "CREATE INDEX ix_match_candidate_open ON match_candidate (score DESC, id) WHERE status = 'open'",
    """
    CREATE TABLE notice (
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        event_id TEXT NOT NULL,
        realm_id TEXT NOT NULL,
        entity TEXT NOT NULL,
        qb_id TEXT NOT NULL,
        operation TEXT NOT NULL,
        gone_id TEXT,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        processed_at TIMESTAMP WITH TIME ZONE,
        attempts INTEGER NOT NULL,
        next_try_at TIMESTAMP WITH TIME ZONE,
        error TEXT,
        CONSTRAINT pk_notice PRIMARY KEY (seq),
        CONSTRAINT uq_notice_event_id UNIQUE (event_id)
    )
    """,
    "CREATE INDEX ix_notice_pending ON notice (realm_id, seq) WHERE processed_at IS NULL",
    """
    CREATE TABLE number_series (
        prefix TEXT NOT NULL,
        next_number INTEGER NOT NULL,
        CONSTRAINT pk_number_series PRIMARY KEY (prefix)
    )
    """,
    """
    CREATE TABLE oauth_state (
        state_hash TEXT NOT NULL,
        person TEXT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_oauth_state PRIMARY KEY (state_hash)
    )
    """,
    """
    CREATE TABLE oauth_token (
        realm_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        sealed_access BYTEA NOT NULL,
        sealed_refresh BYTEA NOT NULL,
        access_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        refresh_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        refreshed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        refreshes INTEGER NOT NULL,
        CONSTRAINT pk_oauth_token PRIMARY KEY (realm_id)
    )
    """,
    """
    CREATE TABLE property_copy (
        property_id UUID NOT NULL,
        version INTEGER NOT NULL,
        address TEXT NOT NULL,
        CONSTRAINT pk_property_copy PRIMARY KEY (property_id)
    )
    """,
    """
    CREATE TABLE provider_rate (
        key TEXT NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_provider_rate PRIMARY KEY (key)
    )
    """,
    """
    CREATE TABLE push (
        seq BIGINT GENERATED ALWAYS AS IDENTITY,
        realm_id TEXT NOT NULL,
        kind VARCHAR(32) NOT NULL,
        target_id UUID NOT NULL,
        after_id UUID,
        argument TEXT,
        state VARCHAR(32) NOT NULL,
        request_id UUID,
        body TEXT,
        was_unsent BOOLEAN,
        attempts INTEGER NOT NULL,
        clashes INTEGER NOT NULL,
        first_tried_at TIMESTAMP WITH TIME ZONE,
        leased_until TIMESTAMP WITH TIME ZONE,
        next_try_at TIMESTAMP WITH TIME ZONE,
        error_code TEXT,
        error TEXT,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        settled_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        CONSTRAINT pk_push PRIMARY KEY (id),
        CONSTRAINT uq_push_seq UNIQUE (seq),
        CONSTRAINT ck_push_pushkind CHECK (kind IN ('create_customer', 'update_customer', 'create_estimate', 'mark_estimate', 'send_estimate', 'create_invoice', 'send_invoice', 'void_invoice')),
        CONSTRAINT ck_push_pushstate CHECK (state IN ('pending', 'done', 'failed', 'dropped'))
    )
    """,
    "CREATE INDEX ix_push_failed ON push (seq) WHERE state = 'failed'",
    "CREATE INDEX ix_push_pending ON push (seq) WHERE state = 'pending'",
    "CREATE INDEX ix_push_target ON push (target_id, seq)",
    """
    CREATE TABLE sync_mark (
        realm_id TEXT NOT NULL,
        name TEXT NOT NULL,
        position BIGINT NOT NULL,
        reached_at TIMESTAMP WITH TIME ZONE,
        done_at TIMESTAMP WITH TIME ZONE,
        due_at TIMESTAMP WITH TIME ZONE,
        leased_until TIMESTAMP WITH TIME ZONE,
        error TEXT,
        CONSTRAINT pk_sync_mark PRIMARY KEY (realm_id, name)
    )
    """,
    """
    CREATE TABLE term (
        name TEXT NOT NULL,
        due_days INTEGER,
        day_of_month INTEGER,
        is_active BOOLEAN NOT NULL,
        id UUID NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_term PRIMARY KEY (id),
        CONSTRAINT uq_term_realm_id_qb_id UNIQUE (realm_id, qb_id)
    )
    """,
    """
    CREATE TABLE webhook_delivery (
        digest TEXT NOT NULL,
        body BYTEA NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        state VARCHAR(32) NOT NULL,
        error TEXT,
        id UUID NOT NULL,
        CONSTRAINT pk_webhook_delivery PRIMARY KEY (id),
        CONSTRAINT uq_webhook_delivery_digest UNIQUE (digest),
        CONSTRAINT ck_webhook_delivery_deliverystate CHECK (state IN ('pending', 'processed', 'failed'))
    )
    """,
    "CREATE INDEX ix_webhook_delivery_pending ON webhook_delivery (id) WHERE state = 'pending'",
    """
    CREATE TABLE credit_memo (
        remaining_cents BIGINT NOT NULL,
        number TEXT,
        customer_id UUID NOT NULL,
        currency TEXT NOT NULL,
        written_on DATE NOT NULL,
        lines JSONB NOT NULL,
        subtotal_cents BIGINT NOT NULL,
        tax_cents BIGINT NOT NULL,
        total_cents BIGINT NOT NULL,
        email TEXT,
        memo TEXT,
        source VARCHAR(32) NOT NULL,
        is_deleted BOOLEAN NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        sent_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_credit_memo PRIMARY KEY (id),
        CONSTRAINT uq_credit_memo_realm_id_qb_id UNIQUE (realm_id, qb_id),
        CONSTRAINT fk_credit_memo_customer_id_customer FOREIGN KEY(customer_id) REFERENCES customer (id),
        CONSTRAINT ck_credit_memo_source CHECK (source IN ('crm', 'quickbooks'))
    )
    """,
    "CREATE INDEX ix_credit_memo_customer ON credit_memo (customer_id)",
    """
    CREATE TABLE estimate (
        status VARCHAR(32) NOT NULL,
        status_at TIMESTAMP WITH TIME ZONE NOT NULL,
        job_id UUID,
        expires_on DATE,
        answered_by TEXT,
        answer_note TEXT,
        number TEXT,
        customer_id UUID NOT NULL,
        currency TEXT NOT NULL,
        written_on DATE NOT NULL,
        lines JSONB NOT NULL,
        subtotal_cents BIGINT NOT NULL,
        tax_cents BIGINT NOT NULL,
        total_cents BIGINT NOT NULL,
        email TEXT,
        memo TEXT,
        source VARCHAR(32) NOT NULL,
        is_deleted BOOLEAN NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        sent_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_estimate PRIMARY KEY (id),
        CONSTRAINT uq_estimate_realm_id_qb_id UNIQUE (realm_id, qb_id),
        CONSTRAINT ck_estimate_estimatestatus CHECK (status IN ('draft', 'open', 'accepted', 'declined', 'expired', 'closed', 'deleted')),
        CONSTRAINT fk_estimate_customer_id_customer FOREIGN KEY(customer_id) REFERENCES customer (id),
        CONSTRAINT ck_estimate_source CHECK (source IN ('crm', 'quickbooks'))
    )
    """,
    "CREATE INDEX ix_estimate_created ON estimate (created_at DESC, id DESC)",
    "CREATE INDEX ix_estimate_customer ON estimate (customer_id)",
    "CREATE INDEX ix_estimate_expiring ON estimate (expires_on) WHERE status = 'open'",
    "CREATE INDEX ix_estimate_number ON estimate (realm_id, number)",
    """
    CREATE TABLE invoice (
        part VARCHAR(32) NOT NULL,
        estimate_id UUID,
        shares JSONB NOT NULL,
        job_id UUID,
        balance_cents BIGINT NOT NULL,
        due_on DATE,
        term_id UUID,
        is_voided BOOLEAN NOT NULL,
        paid_on DATE,
        paid_at TIMESTAMP WITH TIME ZONE,
        overdue_at TIMESTAMP WITH TIME ZONE,
        number TEXT,
        customer_id UUID NOT NULL,
        currency TEXT NOT NULL,
        written_on DATE NOT NULL,
        lines JSONB NOT NULL,
        subtotal_cents BIGINT NOT NULL,
        tax_cents BIGINT NOT NULL,
        total_cents BIGINT NOT NULL,
        email TEXT,
        memo TEXT,
        source VARCHAR(32) NOT NULL,
        is_deleted BOOLEAN NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        sent_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_invoice PRIMARY KEY (id),
        CONSTRAINT uq_invoice_realm_id_qb_id UNIQUE (realm_id, qb_id),
        CONSTRAINT ck_invoice_invoicepart CHECK (part IN ('full', 'deposit', 'progress')),
        CONSTRAINT fk_invoice_customer_id_customer FOREIGN KEY(customer_id) REFERENCES customer (id),
        CONSTRAINT ck_invoice_source CHECK (source IN ('crm', 'quickbooks'))
    )
    """,
    "CREATE INDEX ix_invoice_created ON invoice (written_on DESC, id DESC)",
    "CREATE INDEX ix_invoice_customer ON invoice (customer_id)",
    "CREATE INDEX ix_invoice_estimate ON invoice (estimate_id) WHERE estimate_id IS NOT NULL",
    "CREATE INDEX ix_invoice_falling_due ON invoice (due_on) WHERE balance_cents > 0 AND overdue_at IS NULL",
    "CREATE INDEX ix_invoice_number ON invoice (realm_id, number)",
    """
    CREATE INDEX ix_invoice_receivable ON invoice (customer_id, due_on) INCLUDE (balance_cents, currency) WHERE balance_cents > 0
    """,
    """
    CREATE UNIQUE INDEX uq_invoice_full ON invoice (estimate_id) WHERE part = 'full' AND source = 'crm' AND estimate_id IS NOT NULL AND NOT is_voided AND NOT is_deleted
    """,
    """
    CREATE TABLE payment (
        kind VARCHAR(32) NOT NULL,
        customer_id UUID NOT NULL,
        currency TEXT NOT NULL,
        amount_cents BIGINT NOT NULL,
        unapplied_cents BIGINT NOT NULL,
        received_on DATE NOT NULL,
        reference TEXT,
        is_voided BOOLEAN NOT NULL,
        is_deleted BOOLEAN NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        realm_id TEXT NOT NULL,
        qb_id TEXT,
        sync_token INTEGER NOT NULL,
        qb_updated_at TEXT NOT NULL,
        CONSTRAINT pk_payment PRIMARY KEY (id),
        CONSTRAINT uq_payment_realm_id_kind_qb_id UNIQUE (realm_id, kind, qb_id),
        CONSTRAINT ck_payment_paymentkind CHECK (kind IN ('payment', 'refund')),
        CONSTRAINT fk_payment_customer_id_customer FOREIGN KEY(customer_id) REFERENCES customer (id)
    )
    """,
    "CREATE INDEX ix_payment_customer ON payment (customer_id)",
    "CREATE INDEX ix_payment_received ON payment (received_on DESC, id DESC)",
    """
    CREATE TABLE visit (
        job_id UUID NOT NULL,
        kind VARCHAR(32) NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        minutes INTEGER NOT NULL,
        assignee TEXT,
        notes TEXT,
        is_cancelled BOOLEAN NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT pk_visit PRIMARY KEY (id),
        CONSTRAINT ck_visit_minutes CHECK (minutes BETWEEN 5 AND 1440),
        CONSTRAINT fk_visit_job_id_job FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE,
        CONSTRAINT ck_visit_visitkind CHECK (kind IN ('assessment', 'inspection', 'repair', 'callback'))
    )
    """,
    "CREATE INDEX ix_visit_job ON visit (job_id)",
    "CREATE INDEX ix_visit_starts ON visit (starts_at)",
    """
    CREATE TABLE application (
        payment_id UUID NOT NULL,
        position INTEGER NOT NULL,
        invoice_id UUID,
        credit_memo_id UUID,
        amount_cents BIGINT NOT NULL,
        CONSTRAINT pk_application PRIMARY KEY (payment_id, position),
        CONSTRAINT ck_application_one_side CHECK ((invoice_id IS NULL) <> (credit_memo_id IS NULL)),
        CONSTRAINT fk_application_payment_id_payment FOREIGN KEY(payment_id) REFERENCES payment (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_application_invoice ON application (invoice_id) WHERE invoice_id IS NOT NULL",
    "CREATE INDEX ix_application_payment ON application (payment_id)",
)


def upgrade() -> None:
    create_shared_tables(op)
    for statement in TABLES:
        op.execute(statement)
    grant_rows(op, "billing", append_only=["difference_run"])
