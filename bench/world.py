"""The generated world: a throw-away database, filled by set-based statements, the same rows for the same seed."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import flask_migrate
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from soleflip import local
from soleflip.config import PROJECT, Settings
from soleflip.db import db
from soleflip.factory import create_app
from soleflip.feeds.demo import COLUMNS, rows
from soleflip.models import User
from soleflip.runtime import system_clock
from soleflip.services import accounts, sessions

SEED = 20260101
SHOPS = 5
BRANDS = 20
ROW_BYTES = 1500
EMAIL, PASSWORD = "bench@soleflip.test", "a password for benchmarks"


@dataclass(frozen=True, slots=True)
class World:
    """The application on a throw-away database; `now` is the moment everything was made for."""

    app: Flask
    engine: Engine
    folder: Path
    now: datetime

    def analyze(self) -> None:
        """Let the database look at its tables, as it does by itself after a while."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE)"))

    def browser(self) -> FlaskClient:
        """Return a browser without a browser, signed in."""
        with self.app.app_context(), self.app.extensions["soleflip"].transaction() as session:
            user = accounts.ensure_first_operator(session, EMAIL, PASSWORD) or session.scalars(select(User)).one()
            begun = sessions.begin(session, user.id, address=None, device=None, now=system_clock())
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = str(begun.id)
        return client


@contextmanager
def world() -> Iterator[World]:
    """Start a database and a queue in a temporary folder; stop and remove everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="soleflip-bench-"))
    folder.chmod(0o755)  # as root, PostgreSQL runs as another user, who must get through
    try:
        # With an account of StockX the clock is the real one; nothing here calls StockX.
        account = {"STOCKX_CLIENT_ID": "bench", "STOCKX_CLIENT_SECRET": "bench", "STOCKX_API_KEY": "bench"}
        nowhere = {"STOCKX_API_URL": "http://127.0.0.1:9/v2", "STOCKX_AUTH_URL": "http://127.0.0.1:9"}
        settings = Settings.from_env({"SOLEFLIP_DATA": str(folder), **account, **nowhere})
        with local.servers(settings, durable=False):
            app = create_app(settings)
            with app.app_context():
                flask_migrate.upgrade(directory=str(PROJECT / "migrations"))
                engine = db.engine
            try:
                yield World(app, engine, folder, datetime.now(UTC))
            finally:
                engine.dispose()
                app.extensions["soleflip"].redis.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill_market(session: Session, products: int, sizes: int, now: datetime) -> int:
    """Make products in sizes, with a quote and an offer for each size; returns how many offers."""
    _unchecked(session)
    for statement in _MARKET:
        values = {"seed": SEED, "brands": BRANDS, "shops": SHOPS, "products": products, "sizes": sizes, "now": now}
        session.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    session.execute(text("SET LOCAL session_replication_role = origin"))
    return products * sizes


def fill_listings(session: Session, listings: int, now: datetime) -> None:
    """Make live listings, each of an item of its own, spread over all sizes; amounts in euros."""
    _unchecked(session)
    for statement in _LISTINGS:
        values = {"seed": SEED, "listings": listings, "now": now}
        session.execute(text(statement), {name: values[name] for name in values if f":{name}" in statement})
    session.execute(text("SET LOCAL session_replication_role = origin"))


def write_feed(path: Path, count: int, *, bad: int = 0) -> Path:
    """Write an Awin feed of rows of 1.5 kB; the first `bad` of them have a price that is none."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for number, row in enumerate(rows(SEED, count)):
            row["aw_product_id"] = f"{number:012d}"
            row["specifications"] = "x" * (ROW_BYTES - sum(map(len, row.values())) - len(COLUMNS))
            table.writerow(row | {"search_price": "free"} if number < bad else row)
    return path


def _unchecked(session: Session) -> None:
    """Check no foreign keys until the transaction ends: what is made here fits by its making."""
    session.execute(text("SET LOCAL session_replication_role = replica"))


# A number's multiple of a large prime, modulo a smaller one, is as good as chance here and the same everywhere.
_MARKET = (
    """
    INSERT INTO products.brands (name, key)
    SELECT 'Brand ' || n, 'brand ' || n FROM generate_series(1, :brands) n
    """,
    """
    INSERT INTO integration.shops (name, currency, seen_at)
    SELECT 'Shop ' || n, 'EUR', CAST(:now AS timestamptz) FROM generate_series(1, :shops) n
    """,
    """
    INSERT INTO products.products (id, brand_id, title, style_code, style_key, stockx_product_id, quoted_at)
    SELECT md5(:seed || ' product ' || n)::uuid, brands.id, 'Model ' || n * 7919::bigint % 100003, 'ST' || n,
        'ST' || n, md5(:seed || ' stockx ' || n), CAST(:now AS timestamptz)
    FROM generate_series(1, :products) n JOIN products.brands ON brands.key = 'brand ' || 1 + n % :brands
    """,
    """
    INSERT INTO products.variants (id, product_id, stockx_variant_id, size, sizes)
    SELECT md5(:seed || ' variant ' || n || ' ' || s)::uuid, md5(:seed || ' product ' || n)::uuid,
        md5(:seed || ' stockx variant ' || n || ' ' || s), (5 + s)::text, jsonb_build_object('eu', (37 + s)::text)
    FROM generate_series(1, :products) n, generate_series(1, :sizes) s
    """,
    """
    INSERT INTO integration.latest_quotes (variant_id, currency, lowest_ask, highest_bid, sell_faster, earn_more, at)
    SELECT md5(:seed || ' variant ' || n || ' ' || s)::uuid, 'EUR', ask, ask - 15, ask - 5, ask - 1,
        CAST(:now AS timestamptz) - interval '1 hour'
    FROM generate_series(1, :products) n, generate_series(1, :sizes) s,
        LATERAL (SELECT 60 + (n * 104729::bigint + s * 7919) % 241 AS ask) made
    """,
    """
    INSERT INTO integration.quotes (variant_id, currency, lowest_ask, highest_bid, sell_faster, earn_more, at)
    SELECT variant_id, currency, lowest_ask, highest_bid, sell_faster, earn_more, at FROM integration.latest_quotes
    """,
    """
    INSERT INTO integration.market_prices (shop_id, external_id, title, gtin, style_code, style_key, size, size_system,
        price, delivery, currency, stock, content_hash, match_state, variant_id, seen_at, changed_at)
    SELECT shops.id, n || '-' || s, 'Model ' || n, lpad(n || '0' || s, 14, '0'), 'ST' || n, 'ST' || n,
        (37 + s)::text, 'eu', 50 + (n * 15485863::bigint + s * 31) % 197 + 0.95, 4.95, 'EUR', 1 + n % 5,
        md5(n || '-' || s), 'firm', md5(:seed || ' variant ' || n || ' ' || s)::uuid, CAST(:now AS timestamptz),
        CAST(:now AS timestamptz)
    FROM generate_series(1, :products) n CROSS JOIN generate_series(1, :sizes) s
    JOIN integration.shops ON shops.name = 'Shop ' || 1 + (n + s) % :shops
    """,
)
_LISTINGS = (
    """
    CREATE TEMP TABLE listed ON COMMIT DROP AS
    SELECT n, md5(:seed || ' item ' || n)::uuid AS item_id, v.id AS variant_id, v.product_id, v.stockx_variant_id,
        q.lowest_ask + (n * 7919::bigint % 41) - 10 AS ask, q.lowest_ask, q.highest_bid
    FROM generate_series(0, :listings - 1) n
    JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM products.variants) v
        ON v.place = n % (SELECT count(*) FROM products.variants)
    JOIN integration.latest_quotes q ON q.variant_id = v.id
    """,
    """
    INSERT INTO inventory.items (id, product_id, variant_id, state, cost, currency)
    SELECT item_id, product_id, variant_id, 'listed', 40 + n % 60, 'EUR' FROM listed
    """,
    """
    INSERT INTO selling.stockx_listings (product_id, catalog_variant_id, item_id, stockx_listing_id, stockx_product_id,
        variant_id, currency, ask_price, buy_price, expected_profit, floor_price, status, current_lowest_ask,
        current_highest_bid, created_at, listed_at)
    SELECT product_id, variant_id, item_id, md5(:seed || ' listing ' || n), product_id::text, stockx_variant_id, 'EUR',
        ask, 40 + n % 60, ask * 0.88 - 45 - n % 60, 50 + n % 60,
        CASE n % 20 WHEN 7 THEN 'inactive' ELSE 'active' END, lowest_ask, highest_bid,
        CAST(:now AS timestamptz) - n % 90 * interval '1 day', CAST(:now AS timestamptz) - n % 90 * interval '1 day'
    FROM listed
    """,
)
