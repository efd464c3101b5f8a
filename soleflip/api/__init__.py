"""The JSON edge under /api/v1: the same services, bearer tokens, one error shape."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Register the JSON API's blueprints on the application."""
