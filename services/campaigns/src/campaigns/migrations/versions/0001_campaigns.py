"""The first tables: campaigns, audiences, recipients, and the copies of what other services own."""

from alembic import op

from shared.migrations import create_shared_tables, grant_rows

revision = "0001"
down_revision = None

TABLES = (
    """
    CREATE TABLE campaign (
        name TEXT NOT NULL,
        status VARCHAR(32) NOT NULL,
        number_ids UUID[] NOT NULL,
        weekdays SMALLINT[] NOT NULL,
        window_start TIME WITHOUT TIME ZONE NOT NULL,
        window_end TIME WITHOUT TIME ZONE NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE,
        deadline_at TIMESTAMP WITH TIME ZONE,
        daily_cap INTEGER NOT NULL,
        rate_per_second NUMERIC(8, 3) NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        launched_by TEXT,
        launched_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        audience_id UUID,
        approved_audience_id UUID,
        approved_by TEXT,
        next_plan_at TIMESTAMP WITH TIME ZONE,
        next_slot_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT pk_campaign PRIMARY KEY (id),
        CONSTRAINT ck_campaign_window CHECK (window_start < window_end),
        CONSTRAINT ck_campaign_caps CHECK (daily_cap > 0 AND rate_per_second > 0),
        CONSTRAINT ck_campaign_campaignstatus CHECK (status IN ('draft', 'scheduled', 'running', 'paused', 'completed', 'cancelled'))
    )
    """,
    "CREATE INDEX ix_campaign_created ON campaign (created_at DESC, id DESC)",
    "CREATE INDEX ix_campaign_due ON campaign (next_plan_at) WHERE status IN ('scheduled', 'running')",
    """
    CREATE TABLE contact_alias (
        secondary_id UUID NOT NULL,
        primary_id UUID NOT NULL,
        version INTEGER NOT NULL,
        primary_version INTEGER NOT NULL,
        is_merged BOOLEAN NOT NULL,
        CONSTRAINT pk_contact_alias PRIMARY KEY (secondary_id)
    )
    """,
    "CREATE INDEX ix_contact_alias_primary ON contact_alias (primary_id) WHERE is_merged",
    """
    CREATE TABLE late_change (
        contact_id UUID NOT NULL,
        version INTEGER NOT NULL,
        item JSONB,
        CONSTRAINT pk_late_change PRIMARY KEY (contact_id)
    )
    """,
    """
    CREATE TABLE hold (
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        scope TEXT NOT NULL,
        campaign_id UUID,
        number_id UUID,
        is_placed BOOLEAN NOT NULL,
        CONSTRAINT pk_hold PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE line_type (
        phone TEXT NOT NULL,
        version INTEGER NOT NULL,
        line_type TEXT NOT NULL,
        CONSTRAINT pk_line_type PRIMARY KEY (phone)
    )
    """,
    """
    CREATE TABLE phone_consent (
        phone TEXT NOT NULL,
        version INTEGER NOT NULL,
        is_opted_out BOOLEAN NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_phone_consent PRIMARY KEY (phone)
    )
    """,
    """
    CREATE TABLE phone_number (
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        e164 TEXT NOT NULL,
        name TEXT NOT NULL,
        zone TEXT NOT NULL,
        daily_cap INTEGER NOT NULL,
        is_active BOOLEAN NOT NULL,
        CONSTRAINT pk_phone_number PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE plan_request (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        campaign_id UUID NOT NULL,
        CONSTRAINT pk_plan_request PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_plan_request_campaign ON plan_request (campaign_id)",
    """
    CREATE TABLE reply (
        message_id UUID NOT NULL,
        phone TEXT NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_reply PRIMARY KEY (message_id)
    )
    """,
    "CREATE INDEX ix_reply_phone ON reply (phone, received_at)",
    """
    CREATE TABLE template (
        name TEXT NOT NULL,
        message TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT pk_template PRIMARY KEY (id),
        CONSTRAINT uq_template_name UNIQUE (name)
    )
    """,
    "CREATE INDEX ix_template_created ON template (created_at DESC, id DESC)",
    """
    CREATE TABLE transition (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        campaign_id UUID NOT NULL,
        recipient_id UUID,
        from_status TEXT NOT NULL,
        to_status TEXT NOT NULL,
        reason TEXT,
        actor TEXT,
        cause UUID,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_transition PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_transition_campaign ON transition (campaign_id, id)",
    """
    CREATE TABLE audience (
        campaign_id UUID NOT NULL,
        number INTEGER NOT NULL,
        status VARCHAR(32) NOT NULL,
        lists UUID[] NOT NULL,
        exclude_lists UUID[] NOT NULL,
        recontact_days INTEGER NOT NULL,
        blocks_on_missing BOOLEAN NOT NULL,
        includes_earlier_conversations BOOLEAN NOT NULL,
        read_count INTEGER NOT NULL,
        expected_count INTEGER,
        attempt INTEGER NOT NULL,
        leased_until TIMESTAMP WITH TIME ZONE,
        error TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        snapshot_at TIMESTAMP WITH TIME ZONE,
        ready_at TIMESTAMP WITH TIME ZONE,
        id UUID NOT NULL,
        CONSTRAINT pk_audience PRIMARY KEY (id),
        CONSTRAINT uq_audience_campaign_id_number UNIQUE (campaign_id, number),
        CONSTRAINT fk_audience_campaign_id_campaign FOREIGN KEY(campaign_id) REFERENCES campaign (id) ON DELETE CASCADE,
        CONSTRAINT ck_audience_audiencestatus CHECK (status IN ('building', 'ready', 'failed', 'stale'))
    )
    """,
    "CREATE INDEX ix_audience_building ON audience (created_at) WHERE status = 'building'",
    """
    CREATE TABLE variant (
        campaign_id UUID NOT NULL,
        position SMALLINT NOT NULL,
        label TEXT NOT NULL,
        message TEXT NOT NULL,
        weight INTEGER NOT NULL,
        id UUID NOT NULL,
        CONSTRAINT pk_variant PRIMARY KEY (id),
        CONSTRAINT uq_variant_campaign_id_label UNIQUE (campaign_id, label),
        CONSTRAINT ck_variant_weight CHECK (weight > 0),
        CONSTRAINT fk_variant_campaign_id_campaign FOREIGN KEY(campaign_id) REFERENCES campaign (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE place (
        audience_id UUID NOT NULL,
        key TEXT NOT NULL,
        zones JSONB NOT NULL,
        region TEXT,
        CONSTRAINT pk_place PRIMARY KEY (audience_id, key),
        CONSTRAINT fk_place_audience_id_audience FOREIGN KEY(audience_id) REFERENCES audience (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE recipient (
        campaign_id UUID NOT NULL,
        audience_id UUID NOT NULL,
        contact_id UUID NOT NULL,
        contact_version INTEGER NOT NULL,
        position BIGINT NOT NULL,
        phone TEXT,
        values JSONB NOT NULL,
        place_key TEXT NOT NULL,
        variant TEXT NOT NULL,
        text TEXT,
        segments INTEGER NOT NULL,
        next_text TEXT,
        next_segments INTEGER,
        status VARCHAR(32) NOT NULL,
        reason TEXT,
        status_at TIMESTAMP WITH TIME ZONE NOT NULL,
        barred VARCHAR(32),
        step SMALLINT NOT NULL,
        turn INTEGER NOT NULL,
        not_before TIMESTAMP WITH TIME ZONE,
        message_id UUID,
        number_id UUID,
        counted_on DATE,
        requested_at TIMESTAMP WITH TIME ZONE,
        sent_at TIMESTAMP WITH TIME ZONE,
        delivered_at TIMESTAMP WITH TIME ZONE,
        replied_at TIMESTAMP WITH TIME ZONE,
        opted_out_at TIMESTAMP WITH TIME ZONE,
        billed_segments INTEGER,
        cost_cents INTEGER,
        id UUID NOT NULL,
        CONSTRAINT pk_recipient PRIMARY KEY (id),
        CONSTRAINT uq_recipient_audience_id_contact_id UNIQUE (audience_id, contact_id),
        CONSTRAINT fk_recipient_campaign_id_campaign FOREIGN KEY(campaign_id) REFERENCES campaign (id) ON DELETE CASCADE,
        CONSTRAINT fk_recipient_audience_id_audience FOREIGN KEY(audience_id) REFERENCES audience (id) ON DELETE CASCADE,
        CONSTRAINT ck_recipient_recipientstatus CHECK (status IN ('excluded', 'waiting', 'requested', 'sent', 'delivered', 'undelivered', 'failed', 'unknown', 'not_found', 'opted_out', 'expired', 'cancelled')),
        CONSTRAINT ck_recipient_exclusionreason CHECK (barred IN ('opted_out', 'no_mobile', 'invalid_phone', 'office_number', 'texted_recently', 'other_campaign', 'earlier_conversation', 'duplicate_phone', 'missing_value', 'merged', 'contact_gone', 'phone_changed'))
    )
    """,
    "CREATE INDEX ix_recipient_contact ON recipient (contact_id)",
    "CREATE INDEX ix_recipient_counted ON recipient (number_id, counted_on) WHERE counted_on IS NOT NULL",
    "CREATE INDEX ix_recipient_open ON recipient (campaign_id) WHERE status IN ('requested', 'unknown')",
    "CREATE INDEX ix_recipient_page ON recipient (audience_id, position, id)",
    "CREATE INDEX ix_recipient_phone ON recipient (phone, sent_at)",
    "CREATE INDEX ix_recipient_plan ON recipient (audience_id, place_key, position) WHERE status = 'waiting'",
    "CREATE INDEX ix_recipient_results ON recipient (audience_id, status, reason, variant)",
    "CREATE UNIQUE INDEX uq_recipient_phone ON recipient (audience_id, phone) WHERE status <> 'excluded'",
    "CREATE UNIQUE INDEX uq_recipient_requested ON recipient (phone) WHERE status = 'requested'",
)


def upgrade() -> None:
    create_shared_tables(op)
    for statement in TABLES:
        op.execute(statement)
    grant_rows(op, "campaigns", append_only=("transition",))


def downgrade() -> None:
    raise NotImplementedError("The first migration has nothing to go back to.")
