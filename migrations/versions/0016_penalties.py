"""An order's profit has the penalties that were booked for it by hand

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WITH = """
UPDATE selling.stockx_orders AS orders SET
    net_profit = found.profit,
    actual_margin = CASE WHEN original_buy_price IS NOT NULL AND sale_price <> 0
        THEN round(found.profit / sale_price * 100, 2) END,
    roi = CASE WHEN original_buy_price <> 0 THEN round(found.profit / original_buy_price * 100, 2) END
FROM (
    SELECT sold.id, coalesce(sold.net_proceeds - sold.original_buy_price, 0) + sum(entries.amount) AS profit
    FROM selling.stockx_orders AS sold JOIN selling.ledger_entries AS entries
        ON entries.order_id = sold.id AND entries.kind = 'penalty' AND entries.currency = sold.currency
    WHERE sold.realised_at IS NULL OR sold.net_profit IS NOT NULL
    GROUP BY sold.id HAVING sum(entries.amount) <> 0
) AS found WHERE found.id = orders.id
"""
WITHOUT = """
UPDATE selling.stockx_orders SET
    net_profit = net_proceeds - original_buy_price,
    actual_margin = CASE WHEN sale_price <> 0
        THEN round((net_proceeds - original_buy_price) / sale_price * 100, 2) END,
    roi = CASE WHEN original_buy_price <> 0
        THEN round((net_proceeds - original_buy_price) / original_buy_price * 100, 2) END
WHERE id IN (SELECT order_id FROM selling.ledger_entries WHERE kind = 'penalty')
"""


def upgrade() -> None:
    op.execute(WITH)


def downgrade() -> None:
    op.execute(WITHOUT)
