"""timetable, times away, failures seen

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
RUN_COLUMNS = (
    ("attempt_at", MOMENT),
    ("job_id", sa.String(length=64)),
    ("seen_at", MOMENT),
    ("seen_by", sa.String(length=120)),
)


def upgrade() -> None:
    op.create_table(
        "timetable",
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("every", sa.Integer(), nullable=True),
        sa.Column("every_in_sandbox", sa.Integer(), nullable=True),
        sa.Column("time_limit", sa.Integer(), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("updated_by", sa.String(length=120), nullable=True),
        sa.Column("updated_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_timetable")),
        schema="automation",
    )
    op.create_table(
        "away",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="planned", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("began_at", MOMENT, nullable=True),
        sa.Column("over_at", MOMENT, nullable=True),
        sa.Column("over_by", sa.String(length=120), nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_away_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_away")),
        schema="automation",
    )
    op.create_index(
        "uq_away_in_force",
        "away",
        ["state"],
        unique=True,
        schema="automation",
        postgresql_where=sa.text("state = 'away'"),
    )
    op.create_table(
        "away_asks",
        sa.Column("away_id", sa.UUID(), nullable=False),
        sa.Column("listing_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("ask", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("looked_at", MOMENT, nullable=True),
        sa.Column("lowest_ask", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("highest_bid", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("proposed", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column("decision", sa.String(length=12), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(length=120), nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(["away_id"], ["automation.away.id"], name=op.f("fk_away_asks_away_id")),
        sa.ForeignKeyConstraint(["listing_id"], ["selling.stockx_listings.id"], name=op.f("fk_away_asks_listing_id")),
        sa.ForeignKeyConstraint(["run_id"], ["ops.runs.id"], name=op.f("fk_away_asks_run_id")),
        sa.PrimaryKeyConstraint("away_id", "listing_id", name=op.f("pk_away_asks")),
        schema="automation",
    )
    op.create_index(op.f("ix_away_asks_listing_id"), "away_asks", ["listing_id"], schema="automation")
    for name, kind in RUN_COLUMNS:
        op.add_column("runs", sa.Column(name, kind, nullable=True), schema="ops")
    op.create_index("ix_runs_kind_created_at", "runs", ["kind", "created_at"], schema="ops")
    op.add_column("batches", sa.Column("trouble", sa.String(length=12), nullable=True), schema="selling")


def downgrade() -> None:
    op.drop_column("batches", "trouble", schema="selling")
    op.drop_index("ix_runs_kind_created_at", table_name="runs", schema="ops")
    for name, _ in reversed(RUN_COLUMNS):
        op.drop_column("runs", name, schema="ops")
    op.drop_table("away_asks", schema="automation")
    op.drop_table("away", schema="automation")
    op.drop_table("timetable", schema="automation")
