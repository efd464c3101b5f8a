"""What tests of the API share: tokens, a caller that sends one, and a small market and stock to work with."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from soleflip.models import User
from soleflip.services import tokens
from tests.api.world import World, make_world

API = "/api/v1"
EMAIL = "owner@soleflip.test"


@dataclass(frozen=True)
class Caller:
    """A script with a token."""

    app: Flask
    secret: str

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        """Send a request; `path` begins behind /api/v1. It shares nothing with the test's own application context."""
        wanted = {"Authorization": f"Bearer {self.secret}", **(headers or {})}
        open_ = partial(self.app.test_client().open, API + path, method=method, headers=wanted, buffered=True)
        return contextvars.Context().run(open_, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def post(self, path: str, json: Any = None, key: str | None = None, **options: Any) -> TestResponse:
        headers = {"Idempotency-Key": key} if key else {}
        return self.send("POST", path, headers=headers, json=json, **options)


@pytest.fixture
def owner(app: Flask) -> User:
    """The owner's account."""
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        user = User(email=EMAIL, role="owner", password_hash="-")
        session.add(user)
    return user


@pytest.fixture
def make_caller(app: Flask, owner: User) -> Callable[..., Caller]:
    """Make a caller: `make_caller("read", "list")`; without scopes it may do everything."""

    def make(*scopes: str, days: int | None = None, ago: timedelta = timedelta(0)) -> Caller:
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            made = tokens.create(
                session, owner.id, "script", scopes or ("admin",), days=days, now=datetime.now(UTC) - ago
            )
        return Caller(app, made.secret)

    return make


@pytest.fixture
def caller(make_caller: Callable[..., Caller]) -> Caller:
    """A caller that may do everything."""
    return make_caller()


@pytest.fixture
def database(app: Flask) -> Callable[[], Any]:
    """Open a transaction of the application's: `with database() as session`."""

    def open_() -> Any:
        return app.extensions["soleflip"].transaction()

    with app.app_context():
        yield open_


@pytest.fixture
def world(app: Flask, database: Any) -> World:
    """Things to read and to work with."""
    with database() as session:
        return make_world(session, app.extensions["soleflip"].books)
