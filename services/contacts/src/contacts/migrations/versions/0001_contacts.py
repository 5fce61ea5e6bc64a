"""The first tables of contacts.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.migrations import create_shared_tables, grant_rows

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_shared_tables(op)
    op.create_table('campaign_copy',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('launched_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_campaign_copy'))
    )
    op.create_table('contact',
    sa.Column('first_name', sa.Text(), nullable=True),
    sa.Column('last_name', sa.Text(), nullable=True),
    sa.Column('company', sa.Text(), nullable=True),
    sa.Column('street', sa.Text(), nullable=True),
    sa.Column('city', sa.Text(), nullable=True),
    sa.Column('state', sa.Text(), nullable=True),
    sa.Column('zip', sa.Text(), nullable=True),
    sa.Column('notes', sa.Text(), nullable=True),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('custom_fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('merged_into_id', sa.Uuid(), nullable=True),
    sa.Column('sort_name', sa.Text(), nullable=False),
    sa.Column('search_text', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['merged_into_id'], ['contact.id'], name=op.f('fk_contact_merged_into_id_contact')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact'))
    )
    op.create_index('ix_contact_active_sort_name', 'contact', ['sort_name', 'id'], unique=False, postgresql_where=sa.text('is_active'))
    op.create_index('ix_contact_merged_into_id', 'contact', ['merged_into_id'], unique=False, postgresql_where=sa.text('merged_into_id IS NOT NULL'))
    op.create_index('ix_contact_search_text', 'contact', ['search_text'], unique=False, postgresql_using='gin', postgresql_ops={'search_text': 'gin_trgm_ops'})
    op.create_table('contact_list',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('import_id', sa.Uuid(), nullable=True),
    sa.Column('member_count', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact_list'))
    )
    op.create_table('phone_fact',
    sa.Column('e164', sa.Text(), nullable=False),
    sa.Column('consent', sa.Enum('unknown', 'opted_in', 'opted_out', name='consent', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('consent_version', sa.Integer(), nullable=False),
    sa.Column('consent_source', sa.Text(), nullable=True),
    sa.Column('consent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('line_type', sa.Enum('mobile', 'landline', 'voip', 'unknown', name='linetype', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('line_type_version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('e164', name=op.f('pk_phone_fact'))
    )
    op.create_table('property',
    sa.Column('type', sa.Text(), nullable=True),
    sa.Column('street', sa.Text(), nullable=True),
    sa.Column('city', sa.Text(), nullable=True),
    sa.Column('state', sa.Text(), nullable=True),
    sa.Column('zip', sa.Text(), nullable=True),
    sa.Column('address_key', sa.Text(), nullable=True),
    sa.Column('subdivision', sa.Text(), nullable=True),
    sa.Column('longitude', sa.Numeric(precision=10, scale=7), nullable=True),
    sa.Column('latitude', sa.Numeric(precision=10, scale=7), nullable=True),
    sa.Column('apn', sa.Text(), nullable=True),
    sa.Column('year_built', sa.Integer(), nullable=True),
    sa.Column('purchased_on', sa.Date(), nullable=True),
    sa.Column('months_since_purchase', sa.Integer(), nullable=True),
    sa.Column('square_feet', sa.Integer(), nullable=True),
    sa.Column('beds', sa.Integer(), nullable=True),
    sa.Column('baths', sa.Numeric(precision=5, scale=2), nullable=True),
    sa.Column('estimated_value_cents', sa.BigInteger(), nullable=True),
    sa.Column('estimated_equity_cents', sa.BigInteger(), nullable=True),
    sa.Column('equity_percent', sa.Numeric(precision=9, scale=4), nullable=True),
    sa.Column('owner_name', sa.Text(), nullable=True),
    sa.Column('mail_street', sa.Text(), nullable=True),
    sa.Column('mail_city', sa.Text(), nullable=True),
    sa.Column('mail_state', sa.Text(), nullable=True),
    sa.Column('mail_zip', sa.Text(), nullable=True),
    sa.Column('is_owner_occupied', sa.Boolean(), nullable=True),
    sa.Column('is_listed_for_sale', sa.Boolean(), nullable=True),
    sa.Column('listing_status', sa.Text(), nullable=True),
    sa.Column('is_foreclosure', sa.Boolean(), nullable=True),
    sa.Column('is_high_equity', sa.Boolean(), nullable=True),
    sa.Column('search_text', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_property'))
    )
    op.create_index('ix_property_address_key', 'property', ['address_key'], unique=False)
    op.create_index('ix_property_search_text', 'property', ['search_text'], unique=False, postgresql_using='gin', postgresql_ops={'search_text': 'gin_trgm_ops'})
    op.create_index('uq_property_address_key_no_apn', 'property', ['address_key'], unique=True, postgresql_where=sa.text('apn IS NULL'))
    op.create_index('uq_property_apn', 'property', ['apn'], unique=True, postgresql_where=sa.text('apn IS NOT NULL'))
    op.create_table('tag',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tag'))
    )
    op.create_index('uq_tag_name', 'tag', ['name'], unique=True)
    op.create_table('contact_merge',
    sa.Column('primary_id', sa.Uuid(), nullable=False),
    sa.Column('secondary_id', sa.Uuid(), nullable=False),
    sa.Column('plan', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('before', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('merged_by', sa.Text(), nullable=False),
    sa.Column('merged_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['primary_id'], ['contact.id'], name=op.f('fk_contact_merge_primary_id_contact')),
    sa.ForeignKeyConstraint(['secondary_id'], ['contact.id'], name=op.f('fk_contact_merge_secondary_id_contact')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact_merge'))
    )
    op.create_index('ix_contact_merge_primary_id', 'contact_merge', ['primary_id'], unique=False)
    op.create_index('ix_contact_merge_secondary_id', 'contact_merge', ['secondary_id'], unique=False)
    op.create_table('contact_property',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('property_id', sa.Uuid(), nullable=False),
    sa.Column('role', sa.Enum('owner', 'tenant', 'agent', 'past_owner', name='role', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('share', sa.Numeric(precision=7, scale=4), nullable=True),
    sa.Column('is_primary', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_contact_property_contact_id_contact')),
    sa.ForeignKeyConstraint(['property_id'], ['property.id'], name=op.f('fk_contact_property_property_id_property')),
    sa.PrimaryKeyConstraint('contact_id', 'property_id', name=op.f('pk_contact_property'))
    )
    op.create_index('ix_contact_property_property_id', 'contact_property', ['property_id'], unique=False)
    op.create_index('uq_contact_property_primary', 'contact_property', ['property_id'], unique=True, postgresql_where=sa.text('is_primary'))
    op.create_table('contact_tag',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('tag_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_contact_tag_contact_id_contact')),
    sa.ForeignKeyConstraint(['tag_id'], ['tag.id'], name=op.f('fk_contact_tag_tag_id_tag'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('contact_id', 'tag_id', name=op.f('pk_contact_tag'))
    )
    op.create_index('ix_contact_tag_tag_id', 'contact_tag', ['tag_id', 'contact_id'], unique=False)
    op.create_table('email',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=True),
    sa.Column('is_primary', sa.Boolean(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_email_contact_id_contact')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_email'))
    )
    op.create_index('uq_email_contact_id_address', 'email', ['contact_id', 'address'], unique=True)
    op.create_table('import_job',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('filename', sa.Text(), nullable=False),
    sa.Column('preset', sa.Enum('auto', 'standard', 'property_radar', 'openphone', name='preset', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('duplicates', sa.Enum('skip', 'fill_blanks', 'overwrite', name='duplicates', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('status', sa.Enum('awaiting_file', 'ready', 'queued', 'running', 'completed', 'cancelled', 'failed', name='importstatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=True),
    sa.Column('mapping', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('list_id', sa.Uuid(), nullable=True),
    sa.Column('next_row', sa.Integer(), nullable=False),
    sa.Column('created_rows', sa.Integer(), nullable=False),
    sa.Column('updated_rows', sa.Integer(), nullable=False),
    sa.Column('unchanged_rows', sa.Integer(), nullable=False),
    sa.Column('rejected_rows', sa.Integer(), nullable=False),
    sa.Column('warned_rows', sa.Integer(), nullable=False),
    sa.Column('created_contacts', sa.Integer(), nullable=False),
    sa.Column('updated_contacts', sa.Integer(), nullable=False),
    sa.Column('unchanged_contacts', sa.Integer(), nullable=False),
    sa.Column('created_properties', sa.Integer(), nullable=False),
    sa.Column('updated_properties', sa.Integer(), nullable=False),
    sa.Column('unchanged_properties', sa.Integer(), nullable=False),
    sa.Column('failed_tries', sa.Integer(), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint('created_rows + updated_rows + unchanged_rows + rejected_rows = next_row - 1', name=op.f('ck_import_job_counts_add_up')),
    sa.ForeignKeyConstraint(['list_id'], ['contact_list.id'], name=op.f('fk_import_job_list_id_contact_list'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_import_job'))
    )
    op.create_index('ix_import_job_open', 'import_job', ['updated_at'], unique=False, postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.create_table('list_member',
    sa.Column('list_id', sa.Uuid(), nullable=False),
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_list_member_contact_id_contact')),
    sa.ForeignKeyConstraint(['list_id'], ['contact_list.id'], name=op.f('fk_list_member_list_id_contact_list'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('list_id', 'contact_id', name=op.f('pk_list_member'))
    )
    op.create_index('ix_list_member_contact_id', 'list_member', ['contact_id'], unique=False)
    op.create_table('phone',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('e164', sa.Text(), nullable=False),
    sa.Column('type', sa.Enum('mobile', 'home', 'work', 'other', name='phonetype', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('status', sa.Text(), nullable=True),
    sa.Column('is_primary', sa.Boolean(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_phone_contact_id_contact')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_phone'))
    )
    op.create_index('ix_phone_contact_id', 'phone', ['contact_id'], unique=False)
    op.create_index('uq_phone_e164_active', 'phone', ['e164'], unique=True, postgresql_where=sa.text('is_active'))
    op.create_table('timeline_entry',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Enum('text', 'call', 'consent', 'import', 'merge', 'note', 'change', name='entrykind', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('details', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_timeline_entry_contact_id_contact')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_timeline_entry'))
    )
    op.create_index('ix_timeline_entry_contact', 'timeline_entry', ['contact_id', 'occurred_at', 'id'], unique=False)
    op.create_index('uq_timeline_entry_key', 'timeline_entry', ['key'], unique=True)
    op.create_table('import_file',
    sa.Column('import_id', sa.Uuid(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=True),
    sa.Column('encoding', sa.Text(), nullable=True),
    sa.Column('delimiter', sa.Text(), nullable=True),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('row_count', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['import_id'], ['import_job.id'], name=op.f('fk_import_file_import_id_import_job')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_import_file'))
    )
    op.create_foreign_key('fk_import_job_file_id_import_file', 'import_job', 'import_file', ['file_id'], ['id'])
    op.create_index('ix_import_file_import_id', 'import_file', ['import_id'], unique=False)
    op.create_table('import_outcome',
    sa.Column('import_id', sa.Uuid(), nullable=False),
    sa.Column('row_number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('outcome', sa.Enum('created', 'updated', 'unchanged', 'rejected', name='outcome', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('warnings', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.PrimaryKeyConstraint('import_id', 'row_number', name=op.f('pk_import_outcome'))
    )
    op.create_index('ix_import_outcome_rejected', 'import_outcome', ['import_id', 'row_number'], unique=False, postgresql_where=sa.text("outcome = 'rejected'"))
    op.create_index('ix_import_outcome_warned', 'import_outcome', ['import_id', 'row_number'], unique=False, postgresql_where=sa.text('warnings IS NOT NULL'))
    op.create_table('import_record',
    sa.Column('import_id', sa.Uuid(), nullable=False),
    sa.Column('record_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Enum('contact', 'property', name='recordkind', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('outcome', sa.Enum('created', 'updated', 'unchanged', 'rejected', name='outcome', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.PrimaryKeyConstraint('import_id', 'record_id', name=op.f('pk_import_record'))
    )
    op.create_table('import_chunk',
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['import_file.id'], name=op.f('fk_import_chunk_file_id_import_file'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('file_id', 'seq', name=op.f('pk_import_chunk'))
    )
    op.create_table('import_row',
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('row_number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('line_number', sa.Integer(), nullable=False),
    sa.Column('cells', sa.LargeBinary(), nullable=False),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['file_id'], ['import_file.id'], name=op.f('fk_import_row_file_id_import_file'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('file_id', 'row_number', name=op.f('pk_import_row'))
    )
    for event, sign, rows in (("INSERT", "+", "NEW"), ("DELETE", "-", "OLD")):
        name = f"count_members_{event.lower()}"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN UPDATE contact_list SET member_count = member_count {sign} changed.members"
            " FROM (SELECT list_id, count(*) AS members FROM changed_rows GROUP BY list_id) AS changed"
            " WHERE contact_list.id = changed.list_id; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON list_member REFERENCING {rows} TABLE AS changed_rows"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    grant_rows(op, "contacts", append_only=("import_outcome",))
