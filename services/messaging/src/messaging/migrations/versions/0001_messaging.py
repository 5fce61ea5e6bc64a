"""The first tables of messaging.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations import create_shared_tables, grant_rows

revision = "0001"
down_revision = None

APPEND_ONLY = ("consent_entry", "message_transition")


def upgrade() -> None:
    create_shared_tables(op)
    op.create_table('campaign_state',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_campaign_state'))
    )
    op.create_table('contact_alias',
    sa.Column('secondary_id', sa.Uuid(), nullable=False),
    sa.Column('primary_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('secondary_id', name=op.f('pk_contact_alias'))
    )
    op.create_table('contact_phone',
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('first_name', sa.Text(), nullable=True),
    sa.Column('last_name', sa.Text(), nullable=True),
    sa.Column('company', sa.Text(), nullable=True),
    sa.Column('zones', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('region', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('phone', name=op.f('pk_contact_phone'))
    )
    op.create_table('contact_version',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('contact_id', name=op.f('pk_contact_version'))
    )
    op.create_index('ix_contact_phone_contact', 'contact_phone', ['contact_id'], unique=False)
    op.create_table('hold',
    sa.Column('scope', sa.Enum('all', 'campaign', 'number', name='holdscope', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=True),
    sa.Column('number_id', sa.Uuid(), nullable=True),
    sa.Column('source', sa.Enum('person', 'campaigns', 'breaker', 'provider', name='holdsource', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('placed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('placed_by', sa.Text(), nullable=True),
    sa.Column('lifted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lifted_by', sa.Text(), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hold'))
    )
    op.create_index('uq_hold_in_place', 'hold', ['scope', 'campaign_id', 'number_id', 'source'], unique=True, postgresql_nulls_not_distinct=True, postgresql_where=sa.text('lifted_at IS NULL'))
    op.create_table('phone_number',
    sa.Column('provider_id', sa.Text(), nullable=False),
    sa.Column('e164', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('zone', sa.Text(), nullable=False),
    sa.Column('daily_cap', sa.Integer(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_phone_number')),
    sa.UniqueConstraint('e164', name=op.f('uq_phone_number_e164')),
    sa.UniqueConstraint('provider_id', name=op.f('uq_phone_number_provider_id'))
    )
    op.create_table('phone_state',
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('is_opted_out', sa.Boolean(), nullable=False),
    sa.Column('needs_review', sa.Boolean(), nullable=False),
    sa.Column('consent_version', sa.Integer(), nullable=False),
    sa.Column('consent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('consent_source', sa.Text(), nullable=True),
    sa.Column('line_type', sa.Enum('mobile', 'landline', 'voip', 'unknown', name='linetype', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('line_type_version', sa.Integer(), nullable=False),
    sa.Column('last_inbound_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('phone', name=op.f('pk_phone_state'))
    )
    op.create_index('ix_phone_state_opted_out', 'phone_state', ['consent_at', 'phone'], unique=False, postgresql_where=sa.text('is_opted_out AND consent_at IS NOT NULL'))
    op.create_table('provider_rate',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_provider_rate'))
    )
    op.create_table('provider_receipt',
    sa.Column('provider_id', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('queued', 'in_flight', 'accepted', 'delivered', 'undelivered', 'failed', 'rejected', 'unknown', 'not_found', 'review', 'suppressed', 'expired', 'cancelled', 'received', name='status', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('error_code', sa.Text(), nullable=True),
    sa.Column('number_provider_id', sa.Text(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=True),
    sa.Column('body_hash', sa.Text(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reported_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('provider_id', name=op.f('pk_provider_receipt'))
    )
    op.create_table('sync_mark',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('reached_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('runs', sa.Integer(), nullable=False),
    sa.Column('repaired', sa.Integer(), nullable=False),
    sa.Column('ran_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_sync_mark'))
    )
    op.create_table('webhook_delivery',
    sa.Column('scheme', sa.Enum('legacy', 'dated', name='scheme', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('delivery_id', sa.Text(), nullable=False),
    sa.Column('event_type', sa.Text(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Enum('pending', 'processed', 'ignored', 'failed', name='deliverystate', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('processed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_delivery')),
    sa.UniqueConstraint('scheme', 'delivery_id', name=op.f('uq_webhook_delivery_scheme_delivery_id'))
    )
    op.create_index('ix_webhook_delivery_failed', 'webhook_delivery', ['id'], unique=False, postgresql_where=sa.text("state = 'failed'"))
    op.create_index('ix_webhook_delivery_pending', 'webhook_delivery', ['event_type', 'id'], unique=False, postgresql_where=sa.text("state = 'pending'"))
    op.create_table('webhook_subscription',
    sa.Column('scheme', sa.Enum('legacy', 'dated', name='scheme', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('provider_id', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('sealed_key', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_subscription')),
    sa.UniqueConstraint('provider_id', name=op.f('uq_webhook_subscription_provider_id'))
    )
    op.create_table('cap_counter',
    sa.Column('number_id', sa.Uuid(), nullable=False),
    sa.Column('on_date', sa.Date(), nullable=False),
    sa.Column('scope', sa.Enum('campaign', 'all', name='capscope', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('taken', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['number_id'], ['phone_number.id'], name=op.f('fk_cap_counter_number_id_phone_number')),
    sa.PrimaryKeyConstraint('number_id', 'on_date', 'scope', name=op.f('pk_cap_counter'))
    )
    op.create_table('conversation',
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('number_id', sa.Uuid(), nullable=True),
    sa.Column('state', sa.Enum('open', 'done', name='conversationstate', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('unread', sa.Integer(), nullable=False),
    sa.Column('last_message_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_inbound_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['number_id'], ['phone_number.id'], name=op.f('fk_conversation_number_id_phone_number')),
    sa.ForeignKeyConstraint(['phone'], ['phone_state.phone'], name=op.f('fk_conversation_phone_phone_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_conversation')),
    sa.UniqueConstraint('phone', name=op.f('uq_conversation_phone'))
    )
    op.create_index('ix_conversation_default', 'conversation', ['last_message_at', 'id'], unique=False, postgresql_where=sa.text("last_inbound_at IS NOT NULL OR state = 'open'"))
    op.create_index('ix_conversation_digits', 'conversation', ['phone'], unique=False, postgresql_using='gin', postgresql_ops={'phone': 'gin_trgm_ops'})
    op.create_index('ix_conversation_inbox', 'conversation', ['state', 'last_message_at', 'id'], unique=False)
    op.create_table('message',
    sa.Column('direction', sa.Enum('inbound', 'outbound', name='direction', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('kind', sa.Enum('campaign', 'reply', 'scheduled', 'auto', 'confirmation', name='kind', native_enum=False, create_constraint=True, length=32), nullable=True),
    sa.Column('status', sa.Enum('queued', 'in_flight', 'accepted', 'delivered', 'undelivered', 'failed', 'rejected', 'unknown', 'not_found', 'review', 'suppressed', 'expired', 'cancelled', 'received', name='status', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('conversation_id', sa.Uuid(), nullable=False),
    sa.Column('number_id', sa.Uuid(), nullable=True),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('body_hash', sa.Text(), nullable=False),
    sa.Column('segments', sa.Integer(), nullable=True),
    sa.Column('cost_cents', sa.Integer(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('author_id', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('provider_id', sa.Text(), nullable=True),
    sa.Column('campaign_id', sa.Uuid(), nullable=True),
    sa.Column('recipient_id', sa.Uuid(), nullable=True),
    sa.Column('contact_id', sa.Uuid(), nullable=True),
    sa.Column('variant', sa.Text(), nullable=True),
    sa.Column('step', sa.Integer(), nullable=True),
    sa.Column('turn', sa.Integer(), nullable=True),
    sa.Column('zones', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('region', sa.Text(), nullable=True),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('resend_of', sa.Uuid(), nullable=True),
    sa.Column('in_reply_to', sa.Uuid(), nullable=True),
    sa.Column('repeats_text', sa.Boolean(), nullable=False),
    sa.Column('intent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('not_after', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fence', sa.Uuid(), nullable=True),
    sa.Column('capped_on', sa.Date(), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('looks', sa.Integer(), nullable=False),
    sa.Column('next_look_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('is_alarmed', sa.Boolean(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_message_conversation_id_conversation')),
    sa.ForeignKeyConstraint(['in_reply_to'], ['message.id'], name=op.f('fk_message_in_reply_to_message')),
    sa.ForeignKeyConstraint(['number_id'], ['phone_number.id'], name=op.f('fk_message_number_id_phone_number')),
    sa.ForeignKeyConstraint(['phone'], ['phone_state.phone'], name=op.f('fk_message_phone_phone_state')),
    sa.ForeignKeyConstraint(['resend_of'], ['message.id'], name=op.f('fk_message_resend_of_message')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_message')),
    sa.UniqueConstraint('provider_id', name=op.f('uq_message_provider_id'))
    )
    op.create_index('ix_message_awaiting_receipt', 'message', ['next_look_at'], unique=False, postgresql_where=sa.text("status = 'accepted'"))
    op.create_index('ix_message_campaign', 'message', ['campaign_id', 'created_at', 'id'], unique=False, postgresql_where=sa.text('campaign_id IS NOT NULL'))
    op.create_index('ix_message_conversation', 'message', ['conversation_id', 'created_at', 'id'], unique=False)
    op.create_index('ix_message_created', 'message', ['created_at', 'id'], unique=False)
    op.create_index('ix_message_expiry', 'message', ['expires_at'], unique=False, postgresql_where=sa.text("status = 'queued'"))
    op.create_index('ix_message_in_flight', 'message', ['not_after'], unique=False, postgresql_where=sa.text("status = 'in_flight'"))
    op.create_index('ix_message_next_look', 'message', ['next_look_at'], unique=False, postgresql_where=sa.text("status = 'unknown'"))
    op.create_index('ix_message_phone_intent', 'message', ['phone', 'intent_at'], unique=False)
    op.create_index('ix_message_queue', 'message', ['priority', 'not_before'], unique=False, postgresql_where=sa.text("status = 'queued'"))
    op.create_index('ix_message_queued_campaign', 'message', ['campaign_id'], unique=False, postgresql_where=sa.text("status = 'queued'"))
    op.create_index('ix_message_queued_phone', 'message', ['phone'], unique=False, postgresql_where=sa.text("status = 'queued'"))
    op.create_index('ix_message_recent', 'message', ['intent_at'], unique=False, postgresql_where=sa.text("kind = 'campaign' AND intent_at IS NOT NULL"))
    op.create_index('ix_message_resend_of', 'message', ['resend_of'], unique=False, postgresql_where=sa.text('resend_of IS NOT NULL'))
    op.create_index('ix_message_words', 'message', ['body'], unique=False, postgresql_using='gin', postgresql_ops={'body': 'gin_trgm_ops'})
    op.create_index('uq_message_business_key', 'message', ['campaign_id', 'step', 'phone', 'resend_of'], unique=True, postgresql_nulls_not_distinct=True, postgresql_where=sa.text("campaign_id IS NOT NULL AND status NOT IN ('cancelled', 'expired', 'rejected', 'suppressed')"))
    op.create_table('consent_entry',
    sa.Column('seq', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('action', sa.Enum('opt_out', 'opt_in', 'grant', 'suppression', 'erasure', name='consentaction', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('evidence_message_id', sa.Uuid(), nullable=True),
    sa.Column('is_effective', sa.Boolean(), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('recorded_by', sa.Text(), nullable=True),
    sa.Column('previous_hash', sa.Text(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['evidence_message_id'], ['message.id'], name=op.f('fk_consent_entry_evidence_message_id_message')),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_consent_entry'))
    )
    op.create_index('ix_consent_entry_phone', 'consent_entry', ['phone', 'seq'], unique=False)
    op.create_table('message_transition',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('message_id', sa.Uuid(), nullable=False),
    sa.Column('from_status', sa.Text(), nullable=True),
    sa.Column('to_status', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_message_transition_message_id_message')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_message_transition'))
    )
    op.create_index(op.f('ix_message_transition_message_id'), 'message_transition', ['message_id'], unique=False)
    # Not even the owner rewrites what was recorded of consent and of the moves of texts.
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'rows of % are only added', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    grant_rows(op, "messaging", append_only=APPEND_ONLY)
