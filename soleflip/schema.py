"""The schema's revisions: which this version knows, which is the newest, and how a database gets there."""

from __future__ import annotations

import flask_migrate
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask

from soleflip.config import PROJECT
from soleflip.db import db

MIGRATIONS = str(PROJECT / "migrations")


def known() -> frozenset[str]:
    """Return every revision that this version knows."""
    return frozenset(revision.revision for revision in _script().walk_revisions())


def newest() -> frozenset[str]:
    """Return the revisions at which a database must be."""
    return frozenset(_script().get_heads())


def upgrade(database_url: str) -> None:
    """Bring a database to the newest revision, whatever application runs around this call."""
    app = Flask("soleflip")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    flask_migrate.Migrate(app, db, directory=MIGRATIONS)
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()


def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    return ScriptDirectory.from_config(config)
