"""Answers on their way out: static files are addressed by what is in them and kept for ever; text is compressed."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, current_app, g, request, url_for

FOR_EVER = 31_536_000
COMPRESSED = {".css", ".js", ".svg", ".json", ".webmanifest"}
# Pages only: what an answer of the JSON interface holds may be the same secret each time (see web/csrf.py).
PAGES = "text/html"
WORTHWHILE = 1000


def install(app: Flask) -> None:
    """Offer `static_url` to templates and set the cache headers of static answers."""
    app.jinja_env.globals["static_url"] = static_url
    app.after_request(_cache_and_compress)
    app.after_request(_compress_page)


def static_url(path: str) -> str:
    """Return the address of a static file with the hash of its content in it."""
    known: dict[str, str] = g.setdefault("static_urls", {})  # an icon's file is asked for a hundred times a page
    if path not in known:
        file = _folder() / path
        known[path] = url_for("static", filename=path, v=_digest(file, file.stat().st_mtime_ns))
    return known[path]


def _cache_and_compress(response: Response) -> Response:
    if request.endpoint != "static" or response.status_code != 200:
        return response
    name: str = (request.view_args or {})["filename"]
    # Vendored files carry their version in their name; style sheets can only name them so.
    if "v" in request.args or name.startswith("vendor/"):
        response.cache_control.clear()
        response.cache_control.public = True
        response.cache_control.max_age = FOR_EVER
        response.cache_control.immutable = True
    file = _folder() / name
    if file.suffix in COMPRESSED:
        response.vary.add("Accept-Encoding")
        if request.accept_encodings["gzip"] and "Range" not in request.headers:
            response.response.close()  # type: ignore[union-attr]
            response.direct_passthrough = False
            response.set_data(_gzipped(file, file.stat().st_mtime_ns))
            response.headers["Content-Encoding"] = "gzip"
    return response


def _compress_page(response: Response) -> Response:
    if response.mimetype != PAGES or response.is_streamed or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    page = response.get_data()
    if len(page) >= WORTHWHILE and request.accept_encodings["gzip"]:
        response.set_data(gzip.compress(page, 6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _folder() -> Path:
    return Path(current_app.static_folder or "static")


@lru_cache(maxsize=256)
def _digest(file: Path, _changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=64)
def _gzipped(file: Path, _changed: int) -> bytes:
    return gzip.compress(file.read_bytes(), 9)
