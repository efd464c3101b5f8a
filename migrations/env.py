"""Alembic's environment: the application's engine, all schemas of ours, nothing else."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app

import soleflip.models  # noqa: F401  (registers the tables)
from soleflip.db import SCHEMAS, Base


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Look only at our own schemas when comparing."""
    return name in SCHEMAS if kind == "schema" else True


def run() -> None:
    """Run the migrations on the application's database, one transaction for all."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            include_name=include_name,
            compare_server_default=False,
        )
        with context.begin_transaction():
            # Two programs that start at once must not migrate at once.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7420017)")
            context.run_migrations()


run()
