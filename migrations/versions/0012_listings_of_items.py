"""The listings of an item are found by it, dead ones too.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_stockx_listings_item", "stockx_listings", ["item_id", "created_at"], schema="selling")


def downgrade() -> None:
    op.drop_index("ix_stockx_listings_item", table_name="stockx_listings", schema="selling")
