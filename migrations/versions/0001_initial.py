"""initial

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

APPEND_ONLY = (
    """CREATE FUNCTION selling.refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: book a reversal instead';
END $$""",
    """CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON selling.ledger_entries
FOR EACH ROW EXECUTE FUNCTION selling.refuse_ledger_change()""",
    """CREATE FUNCTION ops.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$""",
    """CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON ops.audit
FOR EACH ROW EXECUTE FUNCTION ops.refuse_audit_change()""",
)
SCHEMAS = ("products", "integration", "selling", "inventory", "automation", "auth", "ops")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for schema in SCHEMAS:
        op.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    op.create_table(
        "stockx_connection",
        sa.Column("id", sa.Integer(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=20), server_default="disconnected", nullable=False),
        sa.Column("refresh_token_encrypted", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_stockx_connection_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stockx_connection")),
        schema="auth",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), server_default="operator", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("session_epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_sign_ins", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        schema="auth",
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column(
            "conditions", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column(
            "action_settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "limits", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("autopilot", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sa.UniqueConstraint("name", name=op.f("uq_rules_name")),
        schema="automation",
    )
    op.create_table(
        "stop_switch",
        sa.Column("id", sa.Integer(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("is_stopped", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_stop_switch_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop_switch")),
        schema="automation",
    )
    op.create_table(
        "feed_sources",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("every_hours", sa.Integer(), server_default="24", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "mapping", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("modified", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_feed_sources_name")),
        schema="integration",
    )
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_searches")),
        sa.UniqueConstraint("name", name=op.f("uq_saved_searches_name")),
        schema="integration",
    )
    op.create_table(
        "shops",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("feed_kind", sa.String(length=20), server_default="awin", nullable=False),
        sa.Column("feed_url", sa.Text(), nullable=True),
        sa.Column(
            "mapping", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("size_system", sa.String(length=10), server_default="eu", nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shops")),
        sa.UniqueConstraint("name", name=op.f("uq_shops_name")),
        schema="integration",
    )
    op.create_table(
        "purchases",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("supplier", sa.String(length=120), nullable=True),
        sa.Column("document", sa.String(length=120), nullable=True),
        sa.Column("purchased_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchases")),
        schema="inventory",
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("act", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        schema="ops",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="queued", nullable=False),
        sa.Column(
            "params", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("requests_used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        schema="ops",
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"], unique=False, schema="ops")
    op.create_index(
        "ix_runs_open",
        "runs",
        ["state"],
        unique=False,
        schema="ops",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column(
            "value", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
        schema="ops",
    )
    op.create_table(
        "brands",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brands")),
        sa.UniqueConstraint("key", name=op.f("uq_brands_key")),
        schema="products",
    )
    op.create_table(
        "pricing_rules",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("strategy", sa.String(length=40), nullable=True),
        sa.Column(
            "strategy_settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "guards", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pricing_rules")),
        sa.UniqueConstraint("scope", "key", name=op.f("uq_pricing_rules_scope_key")),
        schema="selling",
    )
    op.create_table(
        "profit_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("timezone", sa.String(length=60), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("sales", sa.Integer(), nullable=False),
        sa.Column("revenue", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("fees", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("cost", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("other", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("unknown_sales", sa.Integer(), nullable=False),
        sa.Column("unknown_revenue", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("unknown_payout", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("profit", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", "timezone", "currency", name=op.f("pk_profit_days")),
        schema="selling",
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String(length=20)), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["auth.users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
        schema="auth",
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False, schema="auth")
    op.create_table(
        "decisions",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("rule_id", sa.UUID(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="waiting", nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["automation.rules.id"], name=op.f("fk_decisions_rule_id")),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_decisions_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        schema="automation",
    )
    op.create_index(op.f("ix_decisions_rule_id"), "decisions", ["rule_id"], unique=False, schema="automation")
    op.create_index(op.f("ix_decisions_run_id"), "decisions", ["run_id"], unique=False, schema="automation")
    op.create_table(
        "feed_imports",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("shop_id", sa.Integer(), nullable=True),
        sa.Column("filename", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=20), server_default="waiting", nullable=False),
        sa.Column("rows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("imported", sa.Integer(), server_default="0", nullable=False),
        sa.Column("updated", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("gone", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_feed_imports_run_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["integration.shops.id"], name=op.f("fk_feed_imports_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_imports")),
        schema="integration",
    )
    op.create_index(op.f("ix_feed_imports_run_id"), "feed_imports", ["run_id"], unique=False, schema="integration")
    op.create_index(op.f("ix_feed_imports_shop_id"), "feed_imports", ["shop_id"], unique=False, schema="integration")
    op.create_table(
        "replays",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("strategy", sa.String(length=40), nullable=False),
        sa.Column(
            "settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("sales", sa.LargeBinary(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_replays_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
        schema="ops",
    )
    op.create_index(op.f("ix_replays_run_id"), "replays", ["run_id"], unique=False, schema="ops")
    op.create_table(
        "run_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_run_lines_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_lines")),
        schema="ops",
    )
    op.create_index(op.f("ix_run_lines_run_id"), "run_lines", ["run_id"], unique=False, schema="ops")
    op.create_table(
        "products",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("brand_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("style_code", sa.String(length=100), nullable=True),
        sa.Column("style_key", sa.String(length=100), nullable=True),
        sa.Column("stockx_product_id", sa.String(length=100), nullable=True),
        sa.Column("url_key", sa.String(length=300), nullable=True),
        sa.Column("product_type", sa.String(length=60), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("quoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["products.brands.id"], name=op.f("fk_products_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("stockx_product_id", name=op.f("uq_products_stockx_product_id")),
        schema="products",
    )
    op.create_index(op.f("ix_products_brand_id"), "products", ["brand_id"], unique=False, schema="products")
    op.create_index("ix_products_style_key", "products", ["style_key"], unique=False, schema="products")
    op.create_table(
        "batches",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="sending", nullable=False),
        sa.Column("stockx_batch_id", sa.String(length=100), nullable=True),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_batches_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("stockx_batch_id", name=op.f("uq_batches_stockx_batch_id")),
        schema="selling",
    )
    op.create_index(op.f("ix_batches_run_id"), "batches", ["run_id"], unique=False, schema="selling")
    op.create_table(
        "api_answers",
        sa.Column("token_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=300), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["auth.api_tokens.id"], name=op.f("fk_api_answers_token_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", "key", name=op.f("pk_api_answers")),
        schema="auth",
    )
    op.create_index("ix_api_answers_created_at", "api_answers", ["created_at"], unique=False, schema="auth")
    op.create_table(
        "feed_refusals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("excerpt", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["integration.feed_imports.id"], name=op.f("fk_feed_refusals_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_refusals")),
        schema="integration",
    )
    op.create_index(
        op.f("ix_feed_refusals_import_id"), "feed_refusals", ["import_id"], unique=False, schema="integration"
    )
    op.create_table(
        "match_decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("style_key", sa.String(length=100), server_default="", nullable=False),
        sa.Column("doubt", sa.String(length=12), nullable=False),
        sa.Column("is_same", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.products.id"], name=op.f("fk_match_decisions_product_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["integration.shops.id"], name=op.f("fk_match_decisions_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_decisions")),
        sa.UniqueConstraint(
            "shop_id",
            "product_id",
            "style_key",
            "doubt",
            name=op.f("uq_match_decisions_shop_id_product_id_style_key_doubt"),
        ),
        schema="integration",
    )
    op.create_index(
        op.f("ix_match_decisions_product_id"), "match_decisions", ["product_id"], unique=False, schema="integration"
    )
    op.create_table(
        "style_codes",
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.products.id"], name=op.f("fk_style_codes_product_id")),
        sa.PrimaryKeyConstraint("key", "product_id", name=op.f("pk_style_codes")),
        schema="products",
    )
    op.create_index(op.f("ix_style_codes_product_id"), "style_codes", ["product_id"], unique=False, schema="products")
    op.create_table(
        "variants",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("stockx_variant_id", sa.String(length=100), nullable=True),
        sa.Column("size", sa.String(length=40), nullable=False),
        sa.Column(
            "sizes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.products.id"], name=op.f("fk_variants_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variants")),
        sa.UniqueConstraint("product_id", "size", name=op.f("uq_variants_product_id_size")),
        sa.UniqueConstraint("stockx_variant_id", name=op.f("uq_variants_stockx_variant_id")),
        schema="products",
    )
    op.create_index(op.f("ix_variants_product_id"), "variants", ["product_id"], unique=False, schema="products")
    op.create_table(
        "latest_quotes",
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("highest_bid", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("sell_faster", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("earn_more", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("beat_us", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("flex_lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_latest_quotes_variant_id")),
        sa.PrimaryKeyConstraint("variant_id", "currency", name=op.f("pk_latest_quotes")),
        schema="integration",
    )
    op.create_table(
        "market_prices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("brand", sa.String(length=120), nullable=True),
        sa.Column("gtin", sa.String(length=14), nullable=True),
        sa.Column("style_code", sa.String(length=100), nullable=True),
        sa.Column("style_key", sa.String(length=100), nullable=True),
        sa.Column("size", sa.String(length=40), nullable=True),
        sa.Column("size_system", sa.String(length=10), nullable=True),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("delivery", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("in_stock", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=True),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.String(length=40), nullable=False),
        sa.Column("match_state", sa.String(length=12), server_default="unmatched", nullable=False),
        sa.Column("match_reason", sa.String(length=200), nullable=True),
        sa.Column("match_doubt", sa.String(length=12), nullable=True),
        sa.Column("variant_id", sa.UUID(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_import_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["integration.shops.id"], name=op.f("fk_market_prices_shop_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_market_prices_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_prices")),
        sa.UniqueConstraint("shop_id", "external_id", name=op.f("uq_market_prices_shop_id_external_id")),
        schema="integration",
    )
    op.create_index(op.f("ix_market_prices_gtin"), "market_prices", ["gtin"], unique=False, schema="integration")
    op.create_index(
        op.f("ix_market_prices_style_key"), "market_prices", ["style_key"], unique=False, schema="integration"
    )
    op.create_index(
        "ix_market_prices_unmatched",
        "market_prices",
        ["match_state"],
        unique=False,
        schema="integration",
        postgresql_where=sa.text("match_state <> 'firm'"),
    )
    op.create_index(
        op.f("ix_market_prices_variant_id"), "market_prices", ["variant_id"], unique=False, schema="integration"
    )
    op.create_table(
        "past_sales",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("sold_on", sa.Date(), nullable=False),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("source", sa.String(length=30), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_past_sales_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_sales")),
        sa.UniqueConstraint("reference", name=op.f("uq_past_sales_reference")),
        schema="integration",
    )
    op.create_index("ix_past_sales_series", "past_sales", ["variant_id", "sold_on"], unique=False, schema="integration")
    op.create_table(
        "quotes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("highest_bid", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("sell_faster", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("earn_more", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("beat_us", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("flex_lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_quotes_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quotes")),
        schema="integration",
    )
    op.create_index("ix_quotes_variant_at", "quotes", ["variant_id", "at"], unique=False, schema="integration")
    op.create_table(
        "gtins",
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_gtins_variant_id")),
        sa.PrimaryKeyConstraint("gtin", name=op.f("pk_gtins")),
        schema="products",
    )
    op.create_index(op.f("ix_gtins_variant_id"), "gtins", ["variant_id"], unique=False, schema="products")
    op.create_table(
        "market_price_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("market_price_id", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_price_id"],
            ["integration.market_prices.id"],
            name=op.f("fk_market_price_history_market_price_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_market_price_history")),
        schema="integration",
    )
    op.create_index(
        op.f("ix_market_price_history_market_price_id"),
        "market_price_history",
        ["market_price_id"],
        unique=False,
        schema="integration",
    )
    op.create_table(
        "opportunities",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("market_price_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="open", nullable=False),
        sa.Column("is_current", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("match_state", sa.String(length=12), server_default="firm", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cost", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("payout", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("net_profit", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("margin", sa.Numeric(precision=9, scale=2), nullable=True),
        sa.Column("roi", sa.Numeric(precision=9, scale=2), nullable=True),
        sa.Column("bid", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("payout_now", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("net_profit_now", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("stock", sa.Integer(), nullable=True),
        sa.Column("quote_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("offer_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offer_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("terms", sa.String(length=40), nullable=True),
        sa.Column("dismissed_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column(
            "arithmetic", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_price_id"], ["integration.market_prices.id"], name=op.f("fk_opportunities_market_price_id")
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_opportunities_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opportunities")),
        sa.UniqueConstraint("market_price_id", name=op.f("uq_opportunities_market_price_id")),
        schema="integration",
    )
    op.create_index(
        "ix_opportunities_best",
        "opportunities",
        ["net_profit", "id"],
        unique=False,
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_current"),
    )
    op.create_index(
        "ix_opportunities_margin",
        "opportunities",
        ["margin", "id"],
        unique=False,
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_current"),
    )
    op.create_index(
        "ix_opportunities_roi",
        "opportunities",
        ["roi", "id"],
        unique=False,
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_current"),
    )
    op.create_index(
        op.f("ix_opportunities_variant_id"), "opportunities", ["variant_id"], unique=False, schema="integration"
    )
    op.create_table(
        "items",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("variant_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="ordered", nullable=False),
        sa.Column("cost", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("delivery", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("vat_rate", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("vat_amount", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("purchase_id", sa.UUID(), nullable=True),
        sa.Column("opportunity_id", sa.UUID(), nullable=True),
        sa.Column("shop_id", sa.Integer(), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("is_awaited", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["opportunity_id"], ["integration.opportunities.id"], name=op.f("fk_items_opportunity_id")
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.products.id"], name=op.f("fk_items_product_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["inventory.purchases.id"], name=op.f("fk_items_purchase_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["integration.shops.id"], name=op.f("fk_items_shop_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["products.variants.id"], name=op.f("fk_items_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        schema="inventory",
    )
    op.create_index(
        "ix_items_free",
        "items",
        ["variant_id", "state"],
        unique=False,
        schema="inventory",
        postgresql_where=sa.text("state IN ('ordered', 'in_stock')"),
    )
    op.create_index(op.f("ix_items_opportunity_id"), "items", ["opportunity_id"], unique=False, schema="inventory")
    op.create_index(op.f("ix_items_product_id"), "items", ["product_id"], unique=False, schema="inventory")
    op.create_index(op.f("ix_items_purchase_id"), "items", ["purchase_id"], unique=False, schema="inventory")
    op.create_index(op.f("ix_items_variant_id"), "items", ["variant_id"], unique=False, schema="inventory")
    op.create_table(
        "stockx_listings",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=False),
        sa.Column("catalog_variant_id", sa.UUID(), nullable=True),
        sa.Column("item_id", sa.UUID(), nullable=True),
        sa.Column("stockx_listing_id", sa.String(length=100), nullable=True),
        sa.Column("stockx_product_id", sa.String(length=100), nullable=False),
        sa.Column("variant_id", sa.String(length=100), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("ask_price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("original_ask_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("buy_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("expected_profit", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("expected_margin", sa.Numeric(precision=9, scale=2), nullable=True),
        sa.Column("floor_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="pending", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("stockx_status", sa.String(length=40), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("current_highest_bid", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("last_price_update", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("created_from", sa.String(length=50), nullable=True),
        sa.Column("strategy", sa.String(length=40), server_default="competitive", nullable=False),
        sa.Column(
            "strategy_settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("strategy_from", sa.String(length=12), server_default="rules", nullable=False),
        sa.Column("experiment_arm", sa.String(length=40), nullable=True),
        sa.Column(
            "guards", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("tags", postgresql.ARRAY(sa.String(length=40)), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("review", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("outside_change", sa.Text(), nullable=True),
        sa.Column("cost_unknown_accepted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delisted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["selling.batches.id"], name=op.f("fk_stockx_listings_batch_id")),
        sa.ForeignKeyConstraint(
            ["catalog_variant_id"], ["products.variants.id"], name=op.f("fk_stockx_listings_catalog_variant_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["inventory.items.id"], name=op.f("fk_stockx_listings_item_id")),
        sa.ForeignKeyConstraint(["product_id"], ["products.products.id"], name=op.f("fk_stockx_listings_product_id")),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_stockx_listings_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stockx_listings")),
        sa.UniqueConstraint("stockx_listing_id", name=op.f("uq_stockx_listings_stockx_listing_id")),
        schema="selling",
    )
    op.create_index("idx_listings_status", "stockx_listings", ["status"], unique=False, schema="selling")
    op.create_index(
        op.f("ix_stockx_listings_batch_id"), "stockx_listings", ["batch_id"], unique=False, schema="selling"
    )
    op.create_index(
        op.f("ix_stockx_listings_catalog_variant_id"),
        "stockx_listings",
        ["catalog_variant_id"],
        unique=False,
        schema="selling",
    )
    op.create_index(
        op.f("ix_stockx_listings_product_id"), "stockx_listings", ["product_id"], unique=False, schema="selling"
    )
    op.create_index(op.f("ix_stockx_listings_run_id"), "stockx_listings", ["run_id"], unique=False, schema="selling")
    op.create_index("ix_stockx_listings_variant", "stockx_listings", ["variant_id"], unique=False, schema="selling")
    op.create_index(
        "uq_stockx_listings_live_item",
        "stockx_listings",
        ["item_id"],
        unique=True,
        schema="selling",
        postgresql_where=sa.text("status IN ('pending', 'submitting', 'review', 'active', 'inactive')"),
    )
    op.create_table(
        "listing_changes",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("listing_id", sa.UUID(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="waiting", nullable=False),
        sa.Column("old_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("new_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("reason", sa.String(length=100), server_default="manual", nullable=False),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column(
            "inputs", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("guard", sa.String(length=40), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=120), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["selling.batches.id"], name=op.f("fk_listing_changes_batch_id")),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["selling.stockx_listings.id"], name=op.f("fk_listing_changes_listing_id")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_listing_changes_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_changes")),
        schema="selling",
    )
    op.create_index(
        op.f("ix_listing_changes_batch_id"), "listing_changes", ["batch_id"], unique=False, schema="selling"
    )
    op.create_index(
        op.f("ix_listing_changes_listing_id"), "listing_changes", ["listing_id"], unique=False, schema="selling"
    )
    op.create_index("ix_listing_changes_run", "listing_changes", ["run_id", "state"], unique=False, schema="selling")
    op.create_index(
        "uq_listing_changes_under_way",
        "listing_changes",
        ["listing_id"],
        unique=True,
        schema="selling",
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.create_table(
        "listing_moves",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("listing_id", sa.UUID(), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["selling.stockx_listings.id"], name=op.f("fk_listing_moves_listing_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_moves")),
        schema="selling",
    )
    op.create_index(
        op.f("ix_listing_moves_listing_id"), "listing_moves", ["listing_id"], unique=False, schema="selling"
    )
    op.create_table(
        "pricing_history",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("listing_id", sa.UUID(), nullable=False),
        sa.Column("old_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("new_price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("change_reason", sa.String(length=100), nullable=False),
        sa.Column("market_lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("market_highest_bid", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column(
            "inputs", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("strategy", sa.String(length=40), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(length=120), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["selling.stockx_listings.id"], name=op.f("fk_pricing_history_listing_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pricing_history")),
        schema="selling",
    )
    op.create_index(
        op.f("ix_pricing_history_listing_id"), "pricing_history", ["listing_id"], unique=False, schema="selling"
    )
    op.create_table(
        "stockx_orders",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("listing_id", sa.UUID(), nullable=True),
        sa.Column("item_id", sa.UUID(), nullable=True),
        sa.Column("product_id", sa.UUID(), nullable=True),
        sa.Column("catalog_variant_id", sa.UUID(), nullable=True),
        sa.Column("stockx_order_number", sa.String(length=100), nullable=False),
        sa.Column("stockx_listing_id", sa.String(length=100), nullable=True),
        sa.Column("title", sa.String(length=300), nullable=True),
        sa.Column("style_code", sa.String(length=100), nullable=True),
        sa.Column("size", sa.String(length=40), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("sale_price", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("buyer_premium", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("seller_fee", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("processing_fee", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("total_adjustments", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("net_proceeds", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("original_buy_price", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("gross_profit", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("net_profit", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("actual_margin", sa.Numeric(precision=9, scale=2), nullable=True),
        sa.Column("roi", sa.Numeric(precision=9, scale=2), nullable=True),
        sa.Column("estimated_payout", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("order_status", sa.String(length=20), server_default="pending", nullable=False),
        sa.Column("stockx_status", sa.String(length=40), nullable=False),
        sa.Column("shipping_status", sa.String(length=20), nullable=True),
        sa.Column("tracking_number", sa.String(length=100), nullable=True),
        sa.Column("tracking_url", sa.Text(), nullable=True),
        sa.Column("shipping_id", sa.String(length=100), nullable=True),
        sa.Column("ship_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("match_state", sa.String(length=12), server_default="review", nullable=False),
        sa.Column("source", sa.String(length=12), server_default="stockx", nullable=False),
        sa.Column("payout_raw", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("payout_status", sa.String(length=40), nullable=True),
        sa.Column(
            "report", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("payout_id", sa.String(length=100), nullable=True),
        sa.Column("destination", sa.String(length=60), nullable=True),
        sa.Column("sold_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stockx_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detailed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detailed_status", sa.String(length=40), nullable=True),
        sa.Column("realised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("carrier", sa.String(length=40), nullable=True),
        sa.Column("inventory_type", sa.String(length=20), nullable=True),
        sa.Column("authentication_note", sa.Text(), nullable=True),
        sa.Column("match_note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_variant_id"], ["products.variants.id"], name=op.f("fk_stockx_orders_catalog_variant_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["inventory.items.id"], name=op.f("fk_stockx_orders_item_id")),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["selling.stockx_listings.id"], name=op.f("fk_stockx_orders_listing_id")
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.products.id"], name=op.f("fk_stockx_orders_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stockx_orders")),
        sa.UniqueConstraint("stockx_order_number", name=op.f("uq_stockx_orders_stockx_order_number")),
        schema="selling",
    )
    op.create_index("idx_orders_status", "stockx_orders", ["order_status"], unique=False, schema="selling")
    op.create_index(
        op.f("ix_stockx_orders_catalog_variant_id"),
        "stockx_orders",
        ["catalog_variant_id"],
        unique=False,
        schema="selling",
    )
    op.create_index(op.f("ix_stockx_orders_item_id"), "stockx_orders", ["item_id"], unique=False, schema="selling")
    op.create_index(
        op.f("ix_stockx_orders_listing_id"), "stockx_orders", ["listing_id"], unique=False, schema="selling"
    )
    op.create_index(
        "ix_stockx_orders_open",
        "stockx_orders",
        ["ship_by"],
        unique=False,
        schema="selling",
        postgresql_where=sa.text("order_status IN ('pending', 'shipped')"),
    )
    op.create_index(
        op.f("ix_stockx_orders_product_id"), "stockx_orders", ["product_id"], unique=False, schema="selling"
    )
    op.create_index(
        "ix_stockx_orders_review",
        "stockx_orders",
        ["sold_at"],
        unique=False,
        schema="selling",
        postgresql_where=sa.text("match_state = 'review'"),
    )
    op.create_index("ix_stockx_orders_sold_at", "stockx_orders", ["sold_at", "id"], unique=False, schema="selling")
    op.create_index(
        op.f("ix_stockx_orders_stockx_listing_id"),
        "stockx_orders",
        ["stockx_listing_id"],
        unique=False,
        schema="selling",
    )
    op.create_index(
        "ix_stockx_orders_unsettled",
        "stockx_orders",
        ["sold_at"],
        unique=False,
        schema="selling",
        postgresql_where=sa.text(
            "source = 'stockx' AND order_status <> 'cancelled' AND (realised_at IS NULL OR (order_status = 'completed' AND payout_status NOT IN ('PAYOUTCOMPLETED', 'COMPLETED')))"
        ),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("item_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("amount", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("books_amount", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("books_currency", sa.String(length=3), nullable=False),
        sa.Column("rate", sa.Numeric(precision=18, scale=8), nullable=False),
        sa.Column("rate_source", sa.String(length=40), nullable=False),
        sa.Column("rate_date", sa.Date(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["inventory.items.id"], name=op.f("fk_ledger_entries_item_id")),
        sa.ForeignKeyConstraint(["order_id"], ["selling.stockx_orders.id"], name=op.f("fk_ledger_entries_order_id")),
        sa.ForeignKeyConstraint(
            ["reverses_id"], ["selling.ledger_entries.id"], name=op.f("fk_ledger_entries_reverses_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        schema="selling",
    )
    op.create_index(
        "ix_ledger_entries_booked_at", "ledger_entries", ["booked_at", "id"], unique=False, schema="selling"
    )
    op.create_index(op.f("ix_ledger_entries_item_id"), "ledger_entries", ["item_id"], unique=False, schema="selling")
    op.create_index(op.f("ix_ledger_entries_order_id"), "ledger_entries", ["order_id"], unique=False, schema="selling")
    op.create_index(
        "uq_ledger_entries_reverses",
        "ledger_entries",
        ["reverses_id"],
        unique=True,
        schema="selling",
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.create_table(
        "order_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("stockx_status", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["selling.stockx_orders.id"], name=op.f("fk_order_events_order_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_events")),
        sa.UniqueConstraint("order_id", "stockx_status", name=op.f("uq_order_events_order_id_stockx_status")),
        schema="selling",
    )
    op.create_index(op.f("ix_order_events_order_id"), "order_events", ["order_id"], unique=False, schema="selling")
    op.create_table(
        "payout_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("amount", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("percentage", sa.Numeric(precision=9, scale=6), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["selling.stockx_orders.id"], name=op.f("fk_payout_lines_order_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_lines")),
        sa.UniqueConstraint("order_id", "position", name=op.f("uq_payout_lines_order_id_position")),
        schema="selling",
    )
    op.create_index(op.f("ix_payout_lines_order_id"), "payout_lines", ["order_id"], unique=False, schema="selling")
    for statement in APPEND_ONLY:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_payout_lines_order_id"), table_name="payout_lines", schema="selling")
    op.drop_table("payout_lines", schema="selling")
    op.drop_index(op.f("ix_order_events_order_id"), table_name="order_events", schema="selling")
    op.drop_table("order_events", schema="selling")
    op.drop_index(
        "uq_ledger_entries_reverses",
        table_name="ledger_entries",
        schema="selling",
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_ledger_entries_order_id"), table_name="ledger_entries", schema="selling")
    op.drop_index(op.f("ix_ledger_entries_item_id"), table_name="ledger_entries", schema="selling")
    op.drop_index("ix_ledger_entries_booked_at", table_name="ledger_entries", schema="selling")
    op.drop_table("ledger_entries", schema="selling")
    op.drop_index(
        "ix_stockx_orders_unsettled",
        table_name="stockx_orders",
        schema="selling",
        postgresql_where=sa.text(
            "source = 'stockx' AND order_status <> 'cancelled' AND (realised_at IS NULL OR (order_status = 'completed' AND payout_status NOT IN ('PAYOUTCOMPLETED', 'COMPLETED')))"
        ),
    )
    op.drop_index(op.f("ix_stockx_orders_stockx_listing_id"), table_name="stockx_orders", schema="selling")
    op.drop_index("ix_stockx_orders_sold_at", table_name="stockx_orders", schema="selling")
    op.drop_index(
        "ix_stockx_orders_review",
        table_name="stockx_orders",
        schema="selling",
        postgresql_where=sa.text("match_state = 'review'"),
    )
    op.drop_index(op.f("ix_stockx_orders_product_id"), table_name="stockx_orders", schema="selling")
    op.drop_index(
        "ix_stockx_orders_open",
        table_name="stockx_orders",
        schema="selling",
        postgresql_where=sa.text("order_status IN ('pending', 'shipped')"),
    )
    op.drop_index(op.f("ix_stockx_orders_listing_id"), table_name="stockx_orders", schema="selling")
    op.drop_index(op.f("ix_stockx_orders_item_id"), table_name="stockx_orders", schema="selling")
    op.drop_index(op.f("ix_stockx_orders_catalog_variant_id"), table_name="stockx_orders", schema="selling")
    op.drop_index("idx_orders_status", table_name="stockx_orders", schema="selling")
    op.drop_table("stockx_orders", schema="selling")
    op.drop_index(op.f("ix_pricing_history_listing_id"), table_name="pricing_history", schema="selling")
    op.drop_table("pricing_history", schema="selling")
    op.drop_index(op.f("ix_listing_moves_listing_id"), table_name="listing_moves", schema="selling")
    op.drop_table("listing_moves", schema="selling")
    op.drop_index(
        "uq_listing_changes_under_way",
        table_name="listing_changes",
        schema="selling",
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.drop_index("ix_listing_changes_run", table_name="listing_changes", schema="selling")
    op.drop_index(op.f("ix_listing_changes_listing_id"), table_name="listing_changes", schema="selling")
    op.drop_index(op.f("ix_listing_changes_batch_id"), table_name="listing_changes", schema="selling")
    op.drop_table("listing_changes", schema="selling")
    op.drop_index(
        "uq_stockx_listings_live_item",
        table_name="stockx_listings",
        schema="selling",
        postgresql_where=sa.text("status IN ('pending', 'submitting', 'review', 'active', 'inactive')"),
    )
    op.drop_index("ix_stockx_listings_variant", table_name="stockx_listings", schema="selling")
    op.drop_index(op.f("ix_stockx_listings_run_id"), table_name="stockx_listings", schema="selling")
    op.drop_index(op.f("ix_stockx_listings_product_id"), table_name="stockx_listings", schema="selling")
    op.drop_index(op.f("ix_stockx_listings_catalog_variant_id"), table_name="stockx_listings", schema="selling")
    op.drop_index(op.f("ix_stockx_listings_batch_id"), table_name="stockx_listings", schema="selling")
    op.drop_index("idx_listings_status", table_name="stockx_listings", schema="selling")
    op.drop_table("stockx_listings", schema="selling")
    op.drop_index(op.f("ix_items_variant_id"), table_name="items", schema="inventory")
    op.drop_index(op.f("ix_items_purchase_id"), table_name="items", schema="inventory")
    op.drop_index(op.f("ix_items_product_id"), table_name="items", schema="inventory")
    op.drop_index(op.f("ix_items_opportunity_id"), table_name="items", schema="inventory")
    op.drop_index(
        "ix_items_free",
        table_name="items",
        schema="inventory",
        postgresql_where=sa.text("state IN ('ordered', 'in_stock')"),
    )
    op.drop_table("items", schema="inventory")
    op.drop_index(op.f("ix_opportunities_variant_id"), table_name="opportunities", schema="integration")
    op.drop_index(
        "ix_opportunities_roi",
        table_name="opportunities",
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_current"),
    )
    op.drop_index(
        "ix_opportunities_margin",
        table_name="opportunities",
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_current"),
    )
    op.drop_index(
        "ix_opportunities_best",
        table_name="opportunities",
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_current"),
    )
    op.drop_table("opportunities", schema="integration")
    op.drop_index(
        op.f("ix_market_price_history_market_price_id"), table_name="market_price_history", schema="integration"
    )
    op.drop_table("market_price_history", schema="integration")
    op.drop_index(op.f("ix_gtins_variant_id"), table_name="gtins", schema="products")
    op.drop_table("gtins", schema="products")
    op.drop_index("ix_quotes_variant_at", table_name="quotes", schema="integration")
    op.drop_table("quotes", schema="integration")
    op.drop_index("ix_past_sales_series", table_name="past_sales", schema="integration")
    op.drop_table("past_sales", schema="integration")
    op.drop_index(op.f("ix_market_prices_variant_id"), table_name="market_prices", schema="integration")
    op.drop_index(
        "ix_market_prices_unmatched",
        table_name="market_prices",
        schema="integration",
        postgresql_where=sa.text("match_state <> 'firm'"),
    )
    op.drop_index(op.f("ix_market_prices_style_key"), table_name="market_prices", schema="integration")
    op.drop_index(op.f("ix_market_prices_gtin"), table_name="market_prices", schema="integration")
    op.drop_table("market_prices", schema="integration")
    op.drop_table("latest_quotes", schema="integration")
    op.drop_index(op.f("ix_variants_product_id"), table_name="variants", schema="products")
    op.drop_table("variants", schema="products")
    op.drop_index(op.f("ix_style_codes_product_id"), table_name="style_codes", schema="products")
    op.drop_table("style_codes", schema="products")
    op.drop_index(op.f("ix_match_decisions_product_id"), table_name="match_decisions", schema="integration")
    op.drop_table("match_decisions", schema="integration")
    op.drop_index(op.f("ix_feed_refusals_import_id"), table_name="feed_refusals", schema="integration")
    op.drop_table("feed_refusals", schema="integration")
    op.drop_index("ix_api_answers_created_at", table_name="api_answers", schema="auth")
    op.drop_table("api_answers", schema="auth")
    op.drop_index(op.f("ix_batches_run_id"), table_name="batches", schema="selling")
    op.drop_table("batches", schema="selling")
    op.drop_index("ix_products_style_key", table_name="products", schema="products")
    op.drop_index(op.f("ix_products_brand_id"), table_name="products", schema="products")
    op.drop_table("products", schema="products")
    op.drop_index(op.f("ix_run_lines_run_id"), table_name="run_lines", schema="ops")
    op.drop_table("run_lines", schema="ops")
    op.drop_index(op.f("ix_replays_run_id"), table_name="replays", schema="ops")
    op.drop_table("replays", schema="ops")
    op.drop_index(op.f("ix_feed_imports_shop_id"), table_name="feed_imports", schema="integration")
    op.drop_index(op.f("ix_feed_imports_run_id"), table_name="feed_imports", schema="integration")
    op.drop_table("feed_imports", schema="integration")
    op.drop_index(op.f("ix_decisions_run_id"), table_name="decisions", schema="automation")
    op.drop_index(op.f("ix_decisions_rule_id"), table_name="decisions", schema="automation")
    op.drop_table("decisions", schema="automation")
    op.drop_index(op.f("ix_api_tokens_user_id"), table_name="api_tokens", schema="auth")
    op.drop_table("api_tokens", schema="auth")
    op.drop_table("profit_days", schema="selling")
    op.drop_table("pricing_rules", schema="selling")
    op.drop_table("brands", schema="products")
    op.drop_table("settings", schema="ops")
    op.drop_index(
        "ix_runs_open", table_name="runs", schema="ops", postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.drop_index("ix_runs_created_at", table_name="runs", schema="ops")
    op.drop_table("runs", schema="ops")
    op.drop_table("audit", schema="ops")
    op.drop_table("purchases", schema="inventory")
    op.drop_table("shops", schema="integration")
    op.drop_table("saved_searches", schema="integration")
    op.drop_table("feed_sources", schema="integration")
    op.drop_table("stop_switch", schema="automation")
    op.drop_table("rules", schema="automation")
    op.drop_table("users", schema="auth")
    op.drop_table("stockx_connection", schema="auth")
    for schema in reversed(SCHEMAS):
        op.execute(f"DROP SCHEMA {schema} CASCADE")
