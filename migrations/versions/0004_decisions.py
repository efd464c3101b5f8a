"""Decisions say what is to be done with what, and pairs know which decision bought them.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = (
    ("uq_decisions_once", ["rule_id", "subject_id", "basis"], True, "state <> 'expired'"),
    ("uq_decisions_open", ["subject_id"], True, "state IN ('waiting', 'approved') AND action <> 'alert'"),
    ("ix_decisions_open", ["state", "created_at"], False, "state IN ('waiting', 'approved')"),
    ("ix_decisions_done_at", ["done_at"], False, "state = 'done'"),
)


def upgrade() -> None:
    for column in _columns():
        op.add_column("decisions", column, schema="automation")
    for name, table in (("product_id", "products"), ("variant_id", "variants")):
        op.create_foreign_key(
            f"fk_decisions_{name}",
            "decisions",
            table,
            [name],
            ["id"],
            source_schema="automation",
            referent_schema="products",
        )
        op.create_index(f"ix_decisions_{name}", "decisions", [name], schema="automation")
    for name, columns, unique, where in INDEXES:
        op.create_index(
            name, "decisions", columns, unique=unique, schema="automation", postgresql_where=sa.text(where)
        )
    op.alter_column("decisions", "rule_id", nullable=True, schema="automation")
    _bind_rule("SET NULL")
    op.create_table(
        "pairs",
        sa.Column("item_id", sa.UUID(), nullable=False),
        sa.Column("decision_id", sa.UUID(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(length=40), nullable=True),
        sa.Column("is_kept_listed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_id"], ["inventory.items.id"], name=op.f("fk_pairs_item_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["automation.decisions.id"], name=op.f("fk_pairs_decision_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_pairs")),
        sa.UniqueConstraint("decision_id", "unit", name=op.f("uq_pairs_decision_id_unit")),
        schema="automation",
    )


def downgrade() -> None:
    op.drop_table("pairs", schema="automation")
    op.execute("DELETE FROM automation.decisions WHERE rule_id IS NULL")
    op.alter_column("decisions", "rule_id", nullable=False, schema="automation")
    _bind_rule(None)
    for name, *_ in reversed(INDEXES):
        op.drop_index(name, table_name="decisions", schema="automation")
    for column in reversed(_columns()):
        op.drop_column("decisions", column.name, schema="automation")


def _columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("rule_name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("subject", sa.String(length=20), server_default="opportunity", nullable=False),
        sa.Column("product_id", sa.UUID(), nullable=True),
        sa.Column("variant_id", sa.UUID(), nullable=True),
        sa.Column("action", sa.String(length=30), server_default="alert", nullable=False),
        sa.Column("basis", sa.String(length=60), server_default="", nullable=False),
        sa.Column("is_autopilot", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("pairs", sa.Integer(), server_default="1", nullable=False),
        sa.Column("amount", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
    )


def _bind_rule(ondelete: str | None) -> None:
    op.drop_constraint("fk_decisions_rule_id", "decisions", schema="automation", type_="foreignkey")
    op.create_foreign_key(
        "fk_decisions_rule_id",
        "decisions",
        "rules",
        ["rule_id"],
        ["id"],
        source_schema="automation",
        referent_schema="automation",
        ondelete=ondelete,
    )
