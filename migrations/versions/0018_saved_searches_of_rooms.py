"""Filters are kept by name in every room with a big table

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE, SCHEMA = "saved_searches", "integration"


def upgrade() -> None:
    room = sa.Column("room", sa.String(20), nullable=False, server_default="opportunities")
    op.add_column(TABLE, room, schema=SCHEMA)
    op.drop_constraint("uq_saved_searches_name", TABLE, schema=SCHEMA)
    op.create_unique_constraint("uq_saved_searches_room_name", TABLE, ["room", "name"], schema=SCHEMA)


def downgrade() -> None:
    """The earlier revision knows filters of opportunities only: the others go."""
    op.execute("DELETE FROM integration.saved_searches WHERE room <> 'opportunities'")
    op.drop_constraint("uq_saved_searches_room_name", TABLE, schema=SCHEMA)
    op.create_unique_constraint("uq_saved_searches_name", TABLE, ["name"], schema=SCHEMA)
    op.drop_column(TABLE, "room", schema=SCHEMA)
