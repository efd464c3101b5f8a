"""Opportunities: which pairs would pay, filtered and sorted in the address, listed, bought or dismissed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.money import plain_number
from soleflip.domain.opportunities import lines_of
from soleflip.domain.words import count_of
from soleflip.services import buying, doubts, opportunities
from soleflip.services.buying import Purchase
from soleflip.services.opportunity_filter import MATCHES, STATES, OpportunityFilter
from soleflip.web import price_chart
from soleflip.web.forms import selected
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, start_run

bp = Blueprint("opportunities", __name__, url_prefix="/opportunities")


@bp.get("")
def index() -> Response:
    """Show one page of opportunities."""
    wanted = OpportunityFilter.from_args(request.args)
    view: dict[str, Any] = {
        "found": opportunities.search(g.session, wanted, now=now()),
        "choices": opportunities.choices(g.session),
        "states": STATES,
        "matches": MATCHES,
    }
    return page("opportunities/page.html", "opportunities/_table.html", **view)


@bp.get("/count")
def count() -> Response:
    """Count what the filter means: apart from the page, which does not wait for it."""
    wanted = OpportunityFilter.from_args(request.args)
    found = opportunities.count(g.session, wanted, now=now())
    return page("opportunities/count.html", "opportunities/_count.html", count=found)


@bp.get("/by-shop")
def by_shop() -> Response:
    """Sum up per shop what the filter means."""
    wanted = OpportunityFilter.from_args(request.args)
    sums = opportunities.by_source(g.session, wanted, now=now())
    return page("opportunities/by_shop.html", "opportunities/_sums.html", sums=sums)


@bp.get("/<uuid:opportunity_id>")
def show(opportunity_id: UUID) -> Response:
    """Open one opportunity to its arithmetic and its prices over time."""
    return _show(opportunity_id)


@bp.post("/<uuid:opportunity_id>/bought")
def bought(opportunity_id: UUID) -> Response:
    """Put bought pairs into stock with their true cost."""
    form = request.form
    try:
        so_far = _whole(form["so_far"], "so_far") if "so_far" in form else None
        purchase = Purchase(
            quantity=_whole(form.get("quantity", "1"), "quantity"),
            price=_amount(form.get("price", ""), "price"),
            delivery=_amount(form["delivery"], "delivery") if form.get("delivery", "").strip() else None,
            document=form.get("document", "").strip()[:120] or None,
            purchased_on=_day(form.get("purchased_on", ""), "purchased_on"),
            expected_on=_day(form.get("expected_on", ""), "expected_on"),
        )
        items = buying.mark_bought(g.session, opportunity_id, purchase, actor=actor(), now=now(), so_far=so_far)
    except InvalidInput as error:
        return _show(opportunity_id, status=422, error=error)
    except Conflict as error:
        flash(str(error), "info")
        return go(url_for("opportunities.show", opportunity_id=opportunity_id))
    flash(f"{count_of(len(items), 'pair')} ordered.", "success")
    return go(url_for("opportunities.show", opportunity_id=opportunity_id))


@bp.post("/bought")
def bought_as_offered() -> Response:
    """Put one pair of each selected opportunity into stock, bought at what the shop charges."""
    items = buying.buy_as_offered(g.session, selected("row"), actor=actor(), now=now())
    flash(
        f"{count_of(len(items), 'pair')} ordered at what the shop charges.",
        "success",
    )
    return go(_back())


@bp.post("/dismiss")
def dismiss() -> Response:
    """Put the selected opportunities away until the shop's price moves."""
    count = opportunities.dismiss(g.session, selected("row"), actor=actor(), now=now())
    flash(f"{count} dismissed until the shop's price moves.", "info")
    return go(_back())


@bp.post("/watch")
def watch() -> Response:
    """Keep an eye on the selected opportunities."""
    count = opportunities.watch(g.session, selected("row"), on=True, now=now())
    flash(f"{count} watched from now on.", "success")
    return go(_back())


@bp.post("/unwatch")
def unwatch() -> Response:
    """Stop watching the selected opportunities."""
    count = opportunities.watch(g.session, selected("row"), on=False, now=now())
    flash(f"{count} no longer watched.", "info")
    return go(_back())


@bp.post("/reopen")
def reopen() -> Response:
    """Take the selected opportunities back into the open ones."""
    count = opportunities.reopen(g.session, selected("row"), actor=actor(), now=now())
    flash(f"{count} open again.", "info")
    return go(_back())


@bp.get("/matches")
def matches() -> Response:
    """Show what is doubtful, one line for all offers like it."""
    return page("opportunities/matches.html", "opportunities/_matches.html", doubts=doubts.waiting(g.session))


@bp.post("/matches")
def decide_match() -> Response:
    """Confirm or reject a doubtful match, once for all like it, and compute what follows from it."""
    form = request.form
    count = doubts.decide(
        g.session,
        shop_id=_whole(form.get("shop", ""), "shop"),
        product_id=_uuid(form.get("product", "")),
        style_key=form.get("style", "")[:100],
        kind=form.get("kind", "")[:12],
        is_same=form.get("verdict") == "same",
        actor=actor(),
        now=now(),
    )
    start_run("detect")
    flash(f"Decided for {count_of(count, 'offer')}, and for all like them in later feeds.", "success")
    return go(url_for("opportunities.matches"))


@bp.post("/detect")
def detect() -> Response:
    """Match, look up and quote anew what has grown old."""
    run = start_run("detect")
    return go(url_for("runs.show", run_id=run.id))


def _show(opportunity_id: UUID, *, status: int = 200, error: InvalidInput | None = None) -> Response:
    detail = opportunities.detail(g.session, opportunity_id)
    stored = detail.opportunity.arithmetic
    parts = ("cost", "listed", "listed_after", "now", "now_after")
    view: dict[str, Any] = {
        "detail": detail,
        "sums": {part: lines_of(stored, part) for part in parts},
        "chart": price_chart.of_opportunity(detail, now()),
        "rate": stored.get("rate"),
        "error": error,
    }
    return page("opportunities/show.html", "opportunities/_detail.html", status=status, **view)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("The selection can't be read; reload the page.", field="ids") from None


def _back() -> str:
    """Return where the form stood: a page of this room only, never another address."""
    back = request.form.get("back", "")
    home = url_for("opportunities.index")
    return back if back.split("?")[0].startswith(home) and "//" not in back.split("?")[0] else home


def _amount(text: str, field: str) -> Decimal:
    try:
        return plain_number(text.replace(",", "."))
    except InvalidOperation:
        raise InvalidInput("This is no amount: write it like 129.95.", field=field) from None


def _whole(text: str, field: str) -> int:
    plain = text.strip()
    if not plain.isascii() or not plain.isdigit() or len(plain) > 6:
        raise InvalidInput("This is no whole number.", field=field)
    return int(plain)


def _day(text: str, field: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise InvalidInput("This is no date.", field=field) from None
