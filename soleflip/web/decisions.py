"""Decisions of rules: the queue that waits for the operator's word, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import InvalidInput
from soleflip.domain.words import count_of
from soleflip.services import automation_rules, carrying_out, decisions
from soleflip.services.carrying_out import Carried
from soleflip.web.forms import selected
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, wake_after_commit

bp = Blueprint("decisions", __name__, url_prefix="/decisions")


@bp.get("")
def index() -> Response:
    """Show decisions in one state, newest first."""
    state = request.args.get("state", "waiting")
    rule_id = _uuid(request.args.get("rule", ""))
    found = decisions.queue(
        g.session,
        state=state if state in decisions.STATES else None,
        rule_id=rule_id,
        after=request.args.get("after"),
    )
    rules = [(rule.id, rule.name) for rule in automation_rules.stored(g.session)]
    return page(
        "automation/decisions.html",
        "automation/_decisions.html",
        queue=found,
        state=state,
        rule_id=rule_id,
        rules=rules,
        states=decisions.STATES,
    )


@bp.post("")
def decide() -> Response:
    """Approve or reject decisions, the ticked ones or all; what is approved is carried out as far as limits allow."""
    act = request.form.get("act", "")
    ids = None if act.endswith("_all") else selected("decision")
    rule_id = _uuid(request.form.get("rule", ""))
    if act.startswith("approve"):
        approved = decisions.approve(g.session, ids, actor=actor(), now=now(), rule_id=rule_id)
        carried = carrying_out.carry_out(g.session, approved, books=runtime().books, now=now())
        for run in carried.runs:
            wake_after_commit(run)
        _say(carried, approved)
    elif act.startswith("reject"):
        count = len(decisions.reject(g.session, ids, actor=actor(), now=now(), rule_id=rule_id))
        flash(f"{count_of(count, 'decision')} rejected until the price moves.", "info")
    else:
        raise InvalidInput("Choose what is to be done with the selected decisions.")
    return go(url_for("automation.decisions.index"))


def _say(carried: Carried, approved: Sequence[UUID]) -> None:
    left = len(approved) - carried.done - carried.failed - carried.expired
    parts = [
        (carried.done, "carried out"),
        (left, "approved, and waiting for room in the limits or for writes to resume"),
        (carried.failed, "failed"),
        (carried.expired, "expired: prices moved"),
    ]
    said = ", ".join(f"{count} {words}" for count, words in parts if count)
    flash(said + ".", "success" if carried.done == len(approved) else "warning")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
