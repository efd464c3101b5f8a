"""Listings: our asks on StockX, what they earn, and everything that can be done with them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain import pricing
from soleflip.domain.errors import Conflict, InvalidInput, Refused
from soleflip.domain.money import plain_number
from soleflip.services import (
    asks,
    listing_detail,
    listing_filter,
    listing_overview,
    listing_runs,
    listings,
    opportunities,
    placing,
    runs,
    wishes,
)
from soleflip.services.asks import Preview
from soleflip.services.listing_filter import ListingFilter
from soleflip.services.opportunity_filter import OpportunityFilter
from soleflip.web import price_chart
from soleflip.web.forms import ids_in, read_ids
from soleflip.web.htmx import go, page
from soleflip.web.pricing_forms import StrategyForm, own_fields, typed_settings
from soleflip.web.unit import actor, now, runtime, start_run, wake_after_commit

bp = Blueprint("listings", __name__, url_prefix="/listings")

MOST_DIGITS = 12

WORDS = {
    "STATES": listing_filter.STATES,
    "PLACES": listing_filter.PLACES,
    "WARNINGS": listing_filter.WARNINGS,
    "PRICE_MODES": list(wishes.PRICE_MODES.items()),
}


@bp.get("")
def index() -> Response:
    """Show our listings, equal units as one line."""
    view = listing_overview.overview(g.session, ListingFilter.from_args(request.args), now())
    return page("listings/page.html", "listings/_table.html", view=view, words=WORDS, strategies=_strategies())


@bp.post("/preview")
def preview() -> Response:
    """Show what listing the selected opportunities or items would mean, before anything is confirmed."""
    sources = _sources()
    shown = _preview(sources, _typed(only_changed=True))
    return _show_preview(shown, sources)


@bp.post("/order")
def order() -> Response:
    """List what was confirmed: answers at once, a worker does it."""
    sources = _sources()
    shown = _preview(sources, _typed())
    kept = _ticked(shown, set(ids_in("take")))
    try:
        run = placing.order(g.session, kept, actor=actor(), now=now(), created_from=_created_from(kept))
    except (Conflict, Refused) as error:
        flash(str(error), "warning")
        return _show_preview(shown, sources, status=409)
    wake_after_commit(run)
    return go(url_for("listings.show_run", run_id=run.id))


@bp.get("/runs/<uuid:run_id>")
def show_run(run_id: UUID) -> Response:
    """Show a run that lists or changes listings, row by row."""
    view = listing_runs.view(g.session, run_id)
    return page("listings/run.html", "listings/_run.html", view=view, run=view.run)


@bp.post("/runs/<uuid:run_id>/retry")
def retry(run_id: UUID) -> Response:
    """Try the failed rows of a listing run again, alone."""
    run = wishes.retry_failed(g.session, run_id, actor=actor(), now=now())
    wake_after_commit(run)
    return go(url_for("listings.show_run", run_id=run.id))


@bp.post("/runs/<uuid:run_id>/go-on")
def go_on(run_id: UUID) -> Response:
    """Let a run that failed half-way go on where it stopped."""
    wake_after_commit(runs.reopen(g.session, run_id))
    return go(url_for("listings.show_run", run_id=run_id))


@bp.post("/runs/<uuid:run_id>/undo")
def undo(run_id: UUID) -> Response:
    """Take back what a run did: delist what it listed, or set the prices it replaced."""
    is_listing = listing_runs.view(g.session, run_id).run.kind == "list"
    take_back = wishes.undo_listing if is_listing else wishes.undo_prices
    return _under_way(take_back(g.session, run_id, actor=actor(), now=now()))


@bp.post("/bulk")
def change() -> Response:
    """Change price, state or strategy of the selected listings."""
    ids, act = ids_in("ids"), request.form.get("act", "")
    if act == "price" and request.form.get("mode") == "strategy":
        return _start("reprice", listing_ids=[str(each) for each in ids])
    if act == "price":
        value = _number(request.form.get("value", ""), "value")
        mode = request.form.get("mode", "set")
        return _under_way(wishes.change_prices(g.session, ids, mode, value, actor=actor(), now=now()))
    if act == "strategy":
        count = listings.set_strategy(g.session, ids, request.form.get("strategy", ""), {}, actor=actor())
        flash(
            f"{count} listing{'s have' if count != 1 else ' has'} a new strategy from the next repricing on.", "success"
        )
        return go(_back())
    return _under_way(wishes.change_state(g.session, ids, act, actor=actor(), now=now()))


@bp.post("/reprice")
def reprice() -> Response:
    """Reprice now, or say what repricing would do."""
    return _start("reprice", **({"dry_run": True} if request.form.get("dry_run") else {}))


@bp.post("/relist")
def relist() -> Response:
    """Put every expired listing up again."""
    return _under_way(wishes.relist_expired(g.session, actor=actor(), now=now()))


@bp.post("/sync")
def sync() -> Response:
    """Compare our listings with StockX."""
    run = start_run("listing_sync")
    return go(url_for("runs.show", run_id=run.id))


@bp.get("/<uuid:listing_id>")
def show(listing_id: UUID) -> Response:
    """Show one listing: facts, history, price chart, and the forms that change it."""
    return show_listing(listing_id)


@bp.post("/<uuid:listing_id>/strategy")
def strategy(listing_id: UUID) -> Response:
    """Give a listing another strategy with settings of its own."""
    name, values = request.form.get("strategy", ""), typed_settings("strategy")
    try:
        listings.set_strategy(g.session, [listing_id], name, values, actor=actor())
    except InvalidInput as error:
        return show_listing(listing_id, status=422, strategy=name, typed=values, error=error)
    flash("The strategy is changed. It acts at the next repricing.", "success")
    return go(url_for("listings.show", listing_id=listing_id))


@bp.post("/<uuid:listing_id>/accept-cost")
def accept_cost(listing_id: UUID) -> Response:
    """Keep the operator's word that this listing may be priced although its cost is unknown."""
    listings.accept_unknown_cost(g.session, listing_id, actor=actor())
    flash("This listing may be priced without a known cost.", "success")
    return go(url_for("listings.show", listing_id=listing_id))


@bp.post("/<uuid:listing_id>/review")
def review(listing_id: UUID) -> Response:
    """Carry out the operator's word on a listing that can't be decided."""
    decision = request.form.get("decision", "")
    if decision == "adopt":
        decision = f"adopt:{request.form.get('stockx_listing_id', '').strip()}"
    run = wishes.decide_review(g.session, listing_id, decision, actor=actor(), now=now())
    if run is None:
        flash("Adopted: this is now our listing.", "success")
        return go(url_for("listings.index"))
    wake_after_commit(run)
    return go(url_for("runs.show" if run.kind == "adopt" else "listings.show_run", run_id=run.id))


def show_listing(
    listing_id: UUID,
    *,
    status: int = 200,
    strategy: str | None = None,
    typed: dict[str, str] | None = None,
    guards: dict[str, str] | None = None,
    error: InvalidInput | None = None,
) -> Response:
    """Show one listing, or show it again with what was typed as its strategy's settings or as its guard rails."""
    view = listing_detail.detail(g.session, listing_id, now())
    chosen = pricing.strategy_named(strategy or request.args.get("strategy") or view.listing.strategy)
    stored = view.listing.strategy_settings if chosen.name == view.listing.strategy else {}
    acting, named = view.acting(), view.acting(chosen.name).settings
    fields = own_fields(
        chosen.settings_type, typed or stored, named.values, named.acts, None if guards else error, prefix="strategy-"
    )
    rails = own_fields(
        pricing.GuardSettings,
        view.listing.guards if guards is None else guards,
        pricing.written(acting.guards),
        acting.guard_layers,
        error if guards else None,
        prefix="guard-",
    )
    chart = price_chart.option(view)
    full, fragment = "listings/show.html", "listings/_strategy.html"
    more = {
        "form": StrategyForm(chosen, fields),
        "rails": rails,
        "acting": acting,
        "strategies": _strategies(),
        "error": error,
    }
    return page(full, fragment, status=status, view=view, chart=chart, words=WORDS, **more)


def _start(kind: str, **params: object) -> Response:
    run = start_run(kind, params)
    return go(url_for("listings.show_run", run_id=run.id))


def _under_way(ordered: wishes.Ordered) -> Response:
    """Wake a worker for the changes that were taken, say what was refused, and show the run."""
    wake_after_commit(ordered.run)
    if ordered.asked.refused:
        why = " ".join(sorted(set(ordered.asked.refused.values()))[:3])
        flash(f"{len(ordered.asked.refused)} refused: {why}", "warning")
    if request.form.get("stay"):
        flash(f"{ordered.asked.waiting} under way.", "info")
        return go(_back())
    return go(url_for("listings.show_run", run_id=ordered.run.id))


def _show_preview(shown: Preview, sources: dict[str, list[UUID]], *, status: int = 200) -> Response:
    full, fragment = "listings/preview.html", "listings/_preview.html"
    # A row that was offered and is not ticked stays out; one that can only now be listed comes in.
    left_out = set(ids_in("offered")) - set(ids_in("take"))
    chosen = _ticked(shown, {row.source for row in shown.listable} - left_out)
    typed = {row.source for row in shown.rows if row.reason == asks.TYPED}
    more = {"typed": typed, "left_out": left_out, "strategies": _strategies(), "sources": sources}
    return page(full, fragment, status=status, view=shown, chosen=chosen, **more)


def _ticked(shown: Preview, taken: set[UUID]) -> Preview:
    return replace(shown, rows=tuple(row for row in shown.rows if row.source in taken))


def _preview(sources: dict[str, list[UUID]], typed: dict[UUID, Decimal]) -> Preview:
    settings = runtime().settings
    return asks.preview(
        g.session,
        now=now(),
        local_hour=now().astimezone(settings.zone).hour,
        opportunity_ids=sources["opportunity_ids"],
        item_ids=sources["item_ids"],
        strategy=request.form.get("strategy") or None,
        wanted=typed,
        quantities=_quantities(),
        rate=settings.stockx_rate,
    )


def _sources() -> dict[str, list[UUID]]:
    """Return what is to be listed: ticked rows (`ids`, of items or opportunities), or all that match a filter."""
    of = "item_ids" if request.form.get("of") == "items" else "opportunity_ids"
    sources = {name: ids_in(name) for name in ("opportunity_ids", "item_ids")}
    sources[of] += ids_in("ids")
    if request.form.get("all") == "1":
        query = dict(parse_qsl(request.form.get("query", "").removeprefix("?")))
        wanted = OpportunityFilter.from_args(query).first_page()
        sources["opportunity_ids"] = opportunities.matching_ids(g.session, wanted, now=now(), limit=asks.MOST)
    return sources


def _typed(*, only_changed: bool = False) -> dict[UUID, Decimal]:
    """Read the asks of the form; `only_changed` leaves out those that are still the strategy's."""
    typed = {}
    for name, text in request.form.items():
        source = name.removeprefix("ask-")
        if source == name or not text.strip():
            continue
        if only_changed and request.form.get(f"shown-{source}") == text:
            continue
        typed.update(dict.fromkeys(read_ids([source]), _number(text, "ask")))
    return typed


def _quantities() -> dict[UUID, int]:
    """Read how many pairs of each row the form asks for."""
    found = {}
    for name, text in request.form.items():
        if name.startswith("quantity-") and text.strip():
            number = _number(text, "quantity")
            if number != number.to_integral_value():
                raise InvalidInput("A quantity is a whole number.", field="quantity")
            found.update(dict.fromkeys(read_ids([name.removeprefix("quantity-")]), int(number)))
    return found


def _created_from(kept: Preview) -> str:
    rows = kept.listable
    if len(rows) > 1:
        return "bulk"
    return "quickflip" if rows and rows[0].opportunity_id else "manual"


def _number(text: str, field: str) -> Decimal:
    """Read a number as people write it: one of a million digits (1e999999) would keep the server busy for minutes."""
    try:
        number = plain_number(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise InvalidInput(f"{text.strip()[:20]!r} is not a number; write it like 95 or 12.5.", field=field)
    return number


def _strategies() -> list[tuple[str, str]]:
    return [(each.name, each.label) for each in pricing.STRATEGIES.values()]


def _back() -> str:
    """Return the page of ours that a form was sent from."""
    back = request.form.get("back", "")
    return back if back.startswith("/listings") and "\\" not in back else url_for("listings.index")
