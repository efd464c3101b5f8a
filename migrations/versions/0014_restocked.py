"""Opportunities say since when the shop has them again

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("opportunities", sa.Column("restocked_at", sa.DateTime(timezone=True)), schema="integration")


def downgrade() -> None:
    op.drop_column("opportunities", "restocked_at", schema="integration")
