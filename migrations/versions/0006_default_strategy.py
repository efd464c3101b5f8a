"""Listings that name no strategy go by the one with the most profit per day.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column(
        "stockx_listings",
        "strategy",
        server_default="profit_maximization",
        existing_type=sa.String(length=40),
        existing_nullable=False,
        schema="selling",
    )


def downgrade() -> None:
    op.alter_column(
        "stockx_listings",
        "strategy",
        server_default="competitive",
        existing_type=sa.String(length=40),
        existing_nullable=False,
        schema="selling",
    )
