"""The audit log and the ledger are not emptied by a statement either, but where everything is deleted on purpose

Revision ID: 0020
Revises: 0019
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

GUARDED = (("ledger_is_not_emptied", "selling.ledger_entries"), ("audit_is_not_emptied", "ops.audit"))


def upgrade() -> None:
    op.execute(
        """CREATE FUNCTION ops.refuse_emptying() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('soleflip.erasing', true), '') <> 'yes' THEN
        RAISE EXCEPTION '%.% is append-only: only deleting everything empties it', TG_TABLE_SCHEMA, TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$"""
    )
    for name, table in GUARDED:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_emptying()"
        )


def downgrade() -> None:
    for name, table in GUARDED:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute("DROP FUNCTION ops.refuse_emptying()")
