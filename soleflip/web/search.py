"""Search over everything that has a name: products, listings, orders, items."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from soleflip.services import search
from soleflip.web.htmx import page

bp = Blueprint("search", __name__, url_prefix="/search")


@bp.get("")
def index() -> Response:
    """Show what fits the words: by name, style code, size, order number, listing id or EAN."""
    text = request.args.get("q", "").strip()[:100]
    return page("search/page.html", "search/_results.html", text=text, found=search.find(g.session, text))


@bp.get("/palette")
def palette() -> Response:
    """Show the same as links for the command palette."""
    text = request.args.get("q", "").strip()[:100]
    return page("search/page.html", "search/_palette.html", text=text, found=search.find(g.session, text))
