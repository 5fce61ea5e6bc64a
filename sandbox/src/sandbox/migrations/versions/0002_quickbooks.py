"""QuickBooks' tables.

Revision ID: 0002
"""

from alembic import op

from shared.migrations import grant_rows

revision = "0002"
down_revision = "0001"

DDL = """
CREATE TABLE qb_company (
    realm_id TEXT NOT NULL,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    preferences JSONB NOT NULL,
    next_ids JSONB NOT NULL,
    tax_percent TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_qb_company PRIMARY KEY (realm_id)
);
CREATE TABLE qb_ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    realm_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    by TEXT NOT NULL,
    request_id TEXT,
    doc_number TEXT,
    total NUMERIC(18, 2),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_qb_ledger PRIMARY KEY (seq)
);
CREATE TABLE qb_request (
    realm_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_qb_request PRIMARY KEY (realm_id, request_id)
);
CREATE TABLE qb_authorization (
    code TEXT NOT NULL,
    realm_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_qb_authorization PRIMARY KEY (code),
    CONSTRAINT fk_qb_authorization_realm_id_qb_company FOREIGN KEY(realm_id) REFERENCES qb_company (realm_id)
);
CREATE TABLE qb_event (
    realm_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    deleted_id TEXT,
    fault TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    attempts INTEGER NOT NULL,
    delivered_at TIMESTAMP WITH TIME ZONE,
    id UUID NOT NULL,
    CONSTRAINT pk_qb_event PRIMARY KEY (id),
    CONSTRAINT fk_qb_event_realm_id_qb_company FOREIGN KEY(realm_id) REFERENCES qb_company (realm_id)
);
CREATE INDEX ix_qb_event_due ON qb_event (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE qb_grant (
    realm_id TEXT NOT NULL,
    refresh_token TEXT NOT NULL,
    rotated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    refreshed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    former_token TEXT,
    hard_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    refreshes INTEGER NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_qb_grant PRIMARY KEY (id),
    CONSTRAINT fk_qb_grant_realm_id_qb_company FOREIGN KEY(realm_id) REFERENCES qb_company (realm_id),
    CONSTRAINT uq_qb_grant_refresh_token UNIQUE (refresh_token)
);
CREATE INDEX ix_qb_grant_former ON qb_grant (former_token);
CREATE INDEX ix_qb_grant_realm_id ON qb_grant (realm_id);
CREATE TABLE qb_object (
    realm_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    id BIGINT NOT NULL,
    sync_token INTEGER NOT NULL,
    body TEXT NOT NULL,
    name TEXT,
    doc_number TEXT,
    customer_id TEXT,
    total NUMERIC(18, 2),
    is_active BOOLEAN NOT NULL,
    is_deleted BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_qb_object PRIMARY KEY (realm_id, kind, id),
    CONSTRAINT fk_qb_object_realm_id_qb_company FOREIGN KEY(realm_id) REFERENCES qb_company (realm_id)
);
CREATE INDEX ix_qb_object_customer ON qb_object (realm_id, customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX ix_qb_object_name ON qb_object (realm_id, name) WHERE name IS NOT NULL;
CREATE INDEX ix_qb_object_number ON qb_object (realm_id, doc_number) WHERE doc_number IS NOT NULL;
CREATE INDEX ix_qb_object_updated ON qb_object (realm_id, kind, updated_at);
CREATE TABLE qb_access (
    token TEXT NOT NULL,
    grant_id UUID NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_qb_access PRIMARY KEY (token),
    CONSTRAINT fk_qb_access_grant_id_qb_grant FOREIGN KEY(grant_id) REFERENCES qb_grant (id)
);
CREATE INDEX ix_qb_access_grant_id ON qb_access (grant_id);
CREATE TABLE qb_link (
    realm_id TEXT NOT NULL,
    from_kind TEXT NOT NULL,
    from_id BIGINT NOT NULL,
    to_kind TEXT NOT NULL,
    to_id BIGINT NOT NULL,
    amount NUMERIC(18, 2) NOT NULL,
    CONSTRAINT pk_qb_link PRIMARY KEY (realm_id, from_kind, from_id, to_kind, to_id),
    CONSTRAINT fk_qb_link_realm_id_from_kind_from_id_qb_object FOREIGN KEY(realm_id, from_kind, from_id) REFERENCES qb_object (realm_id, kind, id),
    CONSTRAINT fk_qb_link_realm_id_to_kind_to_id_qb_object FOREIGN KEY(realm_id, to_kind, to_id) REFERENCES qb_object (realm_id, kind, id)
);
CREATE INDEX ix_qb_link_to ON qb_link (realm_id, to_kind, to_id);
"""


def upgrade() -> None:
    for statement in DDL.split(";"):
        if statement.strip():
            op.execute(statement)
    grant_rows(op, "sandbox", append_only=["ledger", "qb_ledger"])
