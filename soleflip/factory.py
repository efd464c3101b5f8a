"""Wires the application: the only module that knows everyone."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog
from flask import Flask
from flask_migrate import Migrate
from redis import Redis
from werkzeug.middleware.proxy_fix import ProxyFix

import soleflip.models  # noqa: F401  (registers the tables)
from soleflip import api, cli, slow_queries, web
from soleflip.config import PROJECT, SANDBOX_TOKEN, Settings
from soleflip.db import db, transaction
from soleflip.jobs import commands
from soleflip.runtime import RunQueue, Runtime, make_clock
from soleflip.services import stop
from soleflip.services.connection import DatabaseTokens
from soleflip.stockx import Budget, StockX

MAX_UPLOAD = 64 * 1024 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application; nothing is connected before the first use."""
    settings = settings or Settings.from_env()
    _log_as_json()
    app = Flask(
        "soleflip",
        root_path=str(Path(__file__).parent),
        template_folder=str(PROJECT / "templates"),
        static_folder=str(PROJECT / "static"),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        BOOKS_CURRENCY=settings.currency,
        MAX_CONTENT_LENGTH=MAX_UPLOAD,
    )
    if settings.allowed_hosts:
        app.config["TRUSTED_HOSTS"] = ["localhost", "127.0.0.1", "[::1]", *settings.allowed_hosts]
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    db.init_app(app)
    Migrate(app, db, directory=str(PROJECT / "migrations"))
    app.extensions["soleflip"] = make_runtime(settings)
    web.install(app)
    api.install(app)
    cli.install(app)
    with app.app_context():
        slow_queries.watch(db.engine, settings.slow_query_ms / 1000)
    commands.install(app)
    return app


def make_runtime(settings: Settings) -> Runtime:
    """Put the parts together that the edges use."""
    redis = Redis.from_url(settings.redis_url, socket_timeout=10, socket_connect_timeout=3)
    clock = make_clock(settings)
    sandbox_token = SANDBOX_TOKEN if settings.sandbox else None
    stockx = StockX(
        api_url=settings.stockx_api_url,
        auth_url=settings.stockx_auth_url,
        client_id=settings.stockx_client_id,
        client_secret=settings.stockx_client_secret,
        api_key=settings.stockx_api_key,
        tokens=DatabaseTokens(transaction, settings.encryption_keys, clock, first_token=sandbox_token),
        budget=Budget(
            redis,
            rate=settings.stockx_rate,
            clock=clock,
            speed=settings.sandbox_speed if settings.sandbox else 1.0,
        ),
        clock=clock,
        encryption_keys=settings.encryption_keys,
        before_write=_ensure_running,
    )
    return Runtime(settings, transaction, stockx, RunQueue(redis), redis, clock)


def _ensure_running() -> None:
    """Hold up a write to StockX when the operator has stopped writes: asked right before each one leaves."""
    with transaction() as session:
        stop.ensure_running(session)


def _log_as_json() -> None:
    """Write one JSON object a line to standard error; the processes' supervisor keeps it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
