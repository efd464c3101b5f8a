"""The tables that migrations make are the tables that the models describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask_migrate
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import soleflip.models  # noqa: F401  (registers the tables)
from soleflip.config import PROJECT
from soleflip.db import SCHEMAS, Base, db

from ..conftest import bare_app


def ours(name: str | None, kind: str, _parents: Any) -> bool:
    return name in SCHEMAS if kind == "schema" else True


def test_models_and_migrations_describe_the_same_tables(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "include_name": ours, "compare_type": True}
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_there_is_one_migration_head() -> None:
    script = ScriptDirectory(str(PROJECT / "migrations"))
    assert len(script.get_heads()) == 1


def test_every_migration_goes_up_down_and_up_again(make_database: Callable[..., Any]) -> None:
    script = ScriptDirectory(str(PROJECT / "migrations"))
    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    with make_database(empty=True) as url, bare_app(url).app_context():
        for revision in revisions:
            flask_migrate.upgrade(revision=revision)
            flask_migrate.downgrade(revision="-1")
            flask_migrate.upgrade(revision=revision)
        flask_migrate.downgrade(revision="base")
        assert left_over() == []
        flask_migrate.upgrade()
        db.engine.dispose()


def left_over() -> list[str]:
    """Tables and types that a full downgrade forgot."""
    with db.engine.connect() as connection:
        tables = [
            f"{schema}.{table}"
            for schema in inspect(connection).get_schema_names()
            if schema in SCHEMAS
            for table in inspect(connection).get_table_names(schema=schema)
        ]
        query = text("SELECT typname FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = ANY(:s)")
        types = connection.scalars(query, {"s": [*SCHEMAS, "public"]}).all()
    return [*tables, *(name for name in types if not name.startswith("_") and name != "alembic_version")]
