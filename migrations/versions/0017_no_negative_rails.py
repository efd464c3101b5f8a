"""A floor below the cost was no floor: negative guard rails count as 0

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

PLACES = (("ops.settings", "value"), ("selling.pricing_rules", "guards"), ("selling.stockx_listings", "guards"))
RAILS = ("min_profit", "min_roi", "min_margin")


def upgrade() -> None:
    for table, column in PLACES:
        for rail in RAILS:
            # Thresholds, a setting too, may well ask for less than nothing.
            only = " AND key = 'guards'" if table == "ops.settings" else ""
            op.execute(
                sa.text(
                    f"UPDATE {table} SET {column} = {column} || jsonb_build_object('{rail}', '0')"  # noqa: S608
                    f" WHERE {column} ->> '{rail}' LIKE '-%'{only}"
                )
            )


def downgrade() -> None:
    """Nothing to give back: 0 is a value that the earlier revision knows."""
