"""What all big tables can do: leave out columns, as each browser keeps them for itself, and go out as CSV."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, request, stream_with_context

from soleflip.domain.errors import InvalidInput
from soleflip.services import downloads
from soleflip.web.auth import safe_next
from soleflip.web.htmx import go
from soleflip.web.unit import now, runtime

bp = Blueprint("tables", __name__, url_prefix="/tables")

COOKIE = "soleflip_columns"
LIFETIME = 365 * 24 * 3600

# The columns that can be left out, by their place among all heads of the table, from 1.
COLUMNS: dict[str, dict[int, str]] = {
    "inventory": {3: "Size", 4: "State", 5: "Cost", 6: "Bought from", 7: "Listed at", 8: "Added"},
    "listings": {
        3: "State, strategy",
        5: "Lowest ask",
        6: "Highest bid",
        7: "Place",
        8: "Floor",
        9: "Profit each",
        10: "Listed",
        11: "Warnings",
    },
    "opportunities": {
        4: "Shop",
        5: "Price",
        6: "Ask",
        8: "Margin",
        9: "ROI",
        10: "Selling now",
        11: "Days to sell",
        12: "Stock",
        13: "Quote",
    },
    "orders": {2: "Sold", 3: "Status", 4: "Sale price", 5: "Payout", 6: "Cost", 8: "ROI"},
}


def install(app: Flask) -> None:
    """Offer the choice to templates."""
    app.jinja_env.globals.update(columns_of=COLUMNS.__getitem__, hidden_columns=hidden)


def hidden(table: str) -> list[int]:
    """Return the places of the columns that this browser leaves out of a table."""
    return _kept().get(table, [])


@bp.post("/<table>")
def choose(table: str) -> Response:
    """Keep which columns of a table are shown: every box that was not ticked is left out."""
    if table not in COLUMNS:
        raise InvalidInput("There is no such table.", field="table")
    shown = {int(each) for each in request.form.getlist("show") if each.isascii() and each.isdigit() and len(each) < 3}
    kept = _kept() | {table: [place for place in COLUMNS[table] if place not in shown]}
    answer = go(safe_next(request.form.get("next")))
    text = ".".join(f"{name}-{'-'.join(map(str, places))}" for name, places in kept.items() if places)
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    answer.set_cookie(COOKIE, text, max_age=LIFETIME, secure=secure, httponly=True, samesite="Lax")
    return answer


@bp.get("/<table>.csv")
def download(table: str) -> Response:
    """Download everything that the table's filter leaves, streamed while it is read."""
    if table not in downloads.TABLES:
        raise InvalidInput("There is no such table.", field="table")
    parts, moment, args = runtime(), now(), request.args

    def content() -> Iterator[str]:
        with parts.transaction() as session:
            yield from downloads.as_csv(session, table, args, moment)

    headers = {"Content-Disposition": f'attachment; filename="{table}-{moment:%Y-%m-%d}.csv"'}
    return Response(stream_with_context(content()), mimetype="text/csv", headers=headers)


def _kept() -> dict[str, list[int]]:
    """Read the cookie, which anybody can have written: what is no column of ours is left out."""
    kept = {}
    for part in request.cookies.get(COOKIE, "").split("."):
        name, *places = part.split("-")
        if name in COLUMNS:
            kept[name] = [place for place in COLUMNS[name] if str(place) in places]
    return kept
