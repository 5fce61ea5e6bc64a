"""The sandbox's tables.

Revision ID: 0001
"""

from alembic import op

from shared.migrations import create_shared_tables, grant_rows

revision = "0001"
down_revision = None

DDL = """
CREATE TABLE api_key (
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_key PRIMARY KEY (key),
    CONSTRAINT uq_api_key_name UNIQUE (name)
);
CREATE TABLE configuration (
    is_only BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    run INTEGER NOT NULL,
    controls JSONB NOT NULL,
    CONSTRAINT pk_configuration PRIMARY KEY (is_only),
    CONSTRAINT ck_configuration_one_row CHECK (is_only)
);
CREATE TABLE ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    run INTEGER NOT NULL,
    recv_at TIMESTAMP WITH TIME ZONE NOT NULL,
    crm_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    recipients JSONB NOT NULL,
    body TEXT NOT NULL,
    key_name TEXT NOT NULL,
    message_id TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fault TEXT,
    CONSTRAINT pk_ledger PRIMARY KEY (seq)
);
CREATE INDEX ix_ledger_recipient ON ledger (run, recipient, seq);
CREATE INDEX ix_ledger_run ON ledger (run, seq);
CREATE TABLE phone_number (
    id TEXT NOT NULL,
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    group_id TEXT NOT NULL,
    user_ids JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_phone_number PRIMARY KEY (id),
    CONSTRAINT uq_phone_number_number UNIQUE (number)
);
CREATE TABLE recipient (
    phone TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    received INTEGER NOT NULL,
    blocked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_recipient PRIMARY KEY (phone)
);
CREATE TABLE request_tally (
    run INTEGER NOT NULL,
    key_name TEXT NOT NULL,
    second BIGINT NOT NULL,
    requests INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    most_in_a_second INTEGER NOT NULL,
    CONSTRAINT pk_request_tally PRIMARY KEY (run, key_name, second)
);
CREATE TABLE webhook (
    id TEXT NOT NULL,
    scheme VARCHAR(32) NOT NULL,
    url TEXT NOT NULL,
    key TEXT NOT NULL,
    previous_key TEXT,
    events JSONB NOT NULL,
    resource_ids JSONB NOT NULL,
    label TEXT,
    is_enabled BOOLEAN NOT NULL,
    user_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook PRIMARY KEY (id),
    CONSTRAINT ck_webhook_scheme CHECK (scheme IN ('legacy', 'dated'))
);
CREATE TABLE workspace_user (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    role TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_workspace_user PRIMARY KEY (id)
);
CREATE TABLE conversation (
    id TEXT NOT NULL,
    phone_number_id TEXT NOT NULL,
    participants JSONB NOT NULL,
    participants_key TEXT NOT NULL,
    inbox_status TEXT NOT NULL,
    is_read BOOLEAN NOT NULL,
    last_activity_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_activity_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_conversation PRIMARY KEY (id),
    CONSTRAINT uq_conversation_phone_number_id_participants_key UNIQUE (phone_number_id, participants_key),
    CONSTRAINT fk_conversation_phone_number_id_phone_number FOREIGN KEY(phone_number_id) REFERENCES phone_number (id)
);
CREATE INDEX ix_conversation_activity ON conversation (last_activity_at, id);
CREATE TABLE delivery (
    webhook_id TEXT NOT NULL,
    key TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    body TEXT NOT NULL,
    fault TEXT,
    state VARCHAR(32) NOT NULL,
    attempts INTEGER NOT NULL,
    response_status INTEGER,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    first_timestamp_ms BIGINT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_delivery PRIMARY KEY (id),
    CONSTRAINT fk_delivery_webhook_id_webhook FOREIGN KEY(webhook_id) REFERENCES webhook (id),
    CONSTRAINT ck_delivery_deliverystate CHECK (state IN ('pending', 'delivered', 'failed', 'dropped'))
);
CREATE INDEX ix_delivery_due ON delivery (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX ix_delivery_webhook ON delivery (webhook_id, created_at, id);
CREATE TABLE planned_reply (
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sender TEXT NOT NULL,
    phone_number_id TEXT NOT NULL,
    text TEXT NOT NULL,
    media JSONB NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_planned_reply PRIMARY KEY (id),
    CONSTRAINT fk_planned_reply_phone_number_id_phone_number FOREIGN KEY(phone_number_id) REFERENCES phone_number (id)
);
CREATE INDEX ix_planned_reply_due ON planned_reply (due_at);
CREATE TABLE call (
    id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    phone_number_id TEXT NOT NULL,
    direction VARCHAR(32) NOT NULL,
    counterpart TEXT NOT NULL,
    participants JSONB NOT NULL,
    status TEXT NOT NULL,
    user_id TEXT NOT NULL,
    duration INTEGER NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_call PRIMARY KEY (id),
    CONSTRAINT fk_call_conversation_id_conversation FOREIGN KEY(conversation_id) REFERENCES conversation (id),
    CONSTRAINT fk_call_phone_number_id_phone_number FOREIGN KEY(phone_number_id) REFERENCES phone_number (id),
    CONSTRAINT ck_call_direction CHECK (direction IN ('incoming', 'outgoing'))
);
CREATE INDEX ix_call_counterpart ON call (phone_number_id, counterpart, created_at);
CREATE TABLE message (
    id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    phone_number_id TEXT NOT NULL,
    direction VARCHAR(32) NOT NULL,
    sender TEXT NOT NULL,
    recipients JSONB NOT NULL,
    counterpart TEXT NOT NULL,
    text TEXT NOT NULL,
    media JSONB NOT NULL,
    user_id TEXT,
    attempt INTEGER NOT NULL,
    text_number INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    final_at TIMESTAMP WITH TIME ZONE,
    final_status VARCHAR(32),
    error_code TEXT,
    event_due_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_message PRIMARY KEY (id),
    CONSTRAINT fk_message_conversation_id_conversation FOREIGN KEY(conversation_id) REFERENCES conversation (id),
    CONSTRAINT fk_message_phone_number_id_phone_number FOREIGN KEY(phone_number_id) REFERENCES phone_number (id),
    CONSTRAINT ck_message_direction CHECK (direction IN ('incoming', 'outgoing')),
    CONSTRAINT ck_message_messagestatus CHECK (final_status IN ('queued', 'sent', 'delivered', 'undelivered', 'failed', 'received'))
);
CREATE INDEX ix_message_conversation ON message (conversation_id, created_at, id);
CREATE INDEX ix_message_counterpart ON message (counterpart, created_at);
CREATE INDEX ix_message_created ON message (created_at, id);
CREATE INDEX ix_message_event_due ON message (event_due_at) WHERE event_due_at IS NOT NULL;
"""


def upgrade() -> None:
    create_shared_tables(op)
    for statement in DDL.split(";"):
        if statement.strip():
            op.execute(statement)
    grant_rows(op, "sandbox", append_only=["ledger"])
