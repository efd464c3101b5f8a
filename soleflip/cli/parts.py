"""What all commands share: the parts, a database that runs, and errors as one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
from flask import current_app
from sqlalchemy import inspect

from soleflip import local, schema
from soleflip.db import db
from soleflip.domain.errors import SoleFlipError
from soleflip.runtime import Runtime

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
P = ParamSpec("P")
R = TypeVar("R")


def runtime() -> Runtime:
    """Return the parts this command reaches the world with."""
    parts: Runtime = current_app.extensions["soleflip"]
    return parts


@contextmanager
def database(*, prepare: bool = True) -> Iterator[None]:
    """Have the database running inside the block, and its tables made when it is empty."""
    with local.servers(runtime().settings):
        if prepare and not inspect(db.engine).has_table("alembic_version"):
            schema.upgrade(runtime().settings.database_url)
        yield


def plainly(function: Callable[P, R]) -> Callable[P, R]:
    """Show an error that is meant for the operator as one line and exit with 1."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (SoleFlipError, local.CannotStart, OSError) as error:
            raise click.ClickException(str(error)) from error

    return wrapped
