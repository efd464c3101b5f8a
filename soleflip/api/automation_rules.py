"""Rules of automation and their decisions: made, previewed, switched, approved, and let to work."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    Count,
    Ids,
    Moment,
    Page,
    Paged,
    RunShape,
    Settings,
    Shape,
    Started,
    seal,
    unseal,
)
from soleflip.api.fields import started as started_run
from soleflip.api.unit import actor, now, runtime, session, start_run, wake_after_commit
from soleflip.domain import automation
from soleflip.models import Rule
from soleflip.services import automation_rules, carrying_out, decisions, rule_preview
from soleflip.services.decisions import Entry
from soleflip.services.rule_preview import Round, Would

bp = Blueprint("automation_rules", __name__, url_prefix="/automation")

TAG = "Automation"
# Where a rule has what can be missing in it.
PARTS = {"strategy": "settings", "match": "conditions", "min_profit": "conditions"}


class RuleWanted(Asked):
    """A rule: what is missing in `conditions`, `settings` and `limits` takes its default; null asks for nothing.

    Conditions over an opportunity: shop, brand (ids), sizes, min_profit, min_roi, min_margin, max_cost, max_age_hours,
    match, max_days_to_sell, max_held; over a listing: brand, sizes, strategy, min_age_days, max_margin, rank,
    min_gap_percent, no_bids.
    """

    name: str = Field(min_length=1, max_length=120)
    subject: Literal["opportunity", "listing"]
    conditions: Settings = Field(default={})
    action: Literal["buy", "list", "alert", "strategy", "delist"]
    settings: Settings = Field(default={}, description="pairs per opportunity, and the strategy of its asks")
    limits: Settings = Field(default={}, description="money_per_day, pairs_per_product, actions_per_hour")
    autopilot: bool = False

    def read(self) -> automation.Rule:
        """Return the rule as the domain takes it."""
        return automation.read_rule(self.subject, self.conditions, self.action, self.settings, self.limits)


class SwitchWanted(Asked):
    """Whether a rule works, and whether it acts without asking."""

    enabled: bool
    autopilot: bool


class AutomationRuleShape(Shape):
    """A rule of automation; amounts in the books' currency, as text."""

    id: UUID
    name: str
    subject: str
    conditions: dict[str, Any]
    action: str
    action_settings: dict[str, Any]
    limits: dict[str, Any]
    autopilot: bool
    is_enabled: bool
    created_at: Moment
    updated_at: Moment


class AutomationRuleList(Shape):
    """All rules by name."""

    items: list[AutomationRuleShape]


class WouldShape(Shape):
    """One thing a rule would do; `why_not` is what its limits say against it."""

    subject_id: str
    title: str
    size: str
    day: date
    sentence: str
    pairs: int
    amount: Amount | None
    why_not: str | None

    @classmethod
    def of(cls, row: Would) -> WouldShape:
        """Write one."""
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields} | _id_of(row))


def _id_of(row: Would) -> dict[str, str]:
    return {"subject_id": str(row.subject_id)}


class RoundShape(Shape):
    """What a rule would do: how many fit, how many its limits let through, and what they commit."""

    fitting: int
    allowed: int
    amount: Amount
    rows: list[WouldShape]

    @classmethod
    def of(cls, found: Round) -> RoundShape:
        """Write one."""
        rows = [WouldShape.of(row) for row in found.rows]
        return cls(fitting=found.fitting, allowed=found.allowed, amount=found.amount, rows=rows)


class RulePreviewShape(Shape):
    """What a rule would do now, and would have done in the last 30 days as far as quotes were kept."""

    currency: str
    now: RoundShape
    past: RoundShape
    days_kept: int
    since: Moment | None
    is_cut: bool
    caveats: list[str]
    house_limit: Amount | None


class DecisionQuery(Paged):
    """Which decisions are wanted."""

    state: Literal["waiting", "approved", "done", "rejected", "failed", "expired"] | None = "waiting"
    rule_id: UUID | None = None


class DecisionShape(Shape):
    """What a rule wants done, or did: amounts in `currency`."""

    id: UUID
    rule_id: UUID | None
    rule_name: str
    run_id: UUID | None
    subject: str
    subject_id: UUID
    title: str | None
    size: str | None
    action: str
    basis: str
    state: str
    is_autopilot: bool
    pairs: int
    amount: Amount | None
    currency: str | None
    sentence: str
    detail: dict[str, Any]
    outcome: str | None
    decided_by: str | None
    decided_at: Moment | None
    done_at: Moment | None
    created_at: Moment

    @classmethod
    def of(cls, entry: Entry) -> DecisionShape:
        """Write one."""
        names = cls.model_fields.keys() - {"title", "size"}
        values = {name: getattr(entry.decision, name) for name in names}
        return cls.model_validate(values | {"title": entry.title, "size": entry.size})


class DecisionPage(Page[DecisionShape]):
    """A page of decisions, newest first."""


class DecisionsWanted(Asked):
    """Which decisions: all that wait where none is named, of one rule where that is."""

    ids: Ids | None = None
    rule_id: UUID | None = None


class CarriedShape(Shape):
    """What came of an approval: the rest is approved and waits for room in the limits; `runs` list and change."""

    approved: int
    done: int
    failed: int
    expired: int
    runs: list[RunShape]


@bp.get("/rules")
@operation(TAG, "read", AutomationRuleList)
def list_automation_rules() -> AutomationRuleList:
    """List the rules of automation."""
    return AutomationRuleList(items=[_shape(rule) for rule in automation_rules.stored(session())])


@bp.post("/rules")
@operation(TAG, "admin", AutomationRuleShape, status=201, acts=True, names=PARTS)
def make_automation_rule(json: RuleWanted) -> Any:
    """Make a rule; unless it is on autopilot its decisions wait for approval."""
    rule = automation_rules.save(session(), None, json.name, json.read(), autopilot=json.autopilot, actor=actor())
    return _fresh(rule), 201


@bp.post("/rules/preview")
@operation(TAG, "read", RulePreviewShape, names=PARTS)
def preview_automation_rule(json: RuleWanted) -> RulePreviewShape:
    """Show what a rule would do now, and would have done in the last 30 days; nothing is kept or done."""
    found = rule_preview.preview(session(), json.read(), books=runtime().books, now=now())
    past = found.past
    return RulePreviewShape(
        currency=found.currency,
        now=RoundShape.of(found.now),
        past=RoundShape.of(past.round),
        days_kept=past.days_kept,
        since=past.since,
        is_cut=past.is_cut,
        caveats=list(past.caveats),
        house_limit=found.house_limit,
    )


@bp.get("/rules/<uuid:rule_id>")
@operation(TAG, "read", AutomationRuleShape)
def show_automation_rule(rule_id: UUID) -> AutomationRuleShape:
    """Show one rule of automation."""
    return _shape(automation_rules.get(session(), rule_id))


@bp.put("/rules/<uuid:rule_id>")
@operation(TAG, "admin", AutomationRuleShape, acts=True, names=PARTS)
def change_automation_rule(rule_id: UUID, json: RuleWanted) -> AutomationRuleShape:
    """Change a rule; when its words change, what it decided and nobody carried out is dropped."""
    rule = automation_rules.save(session(), rule_id, json.name, json.read(), autopilot=json.autopilot, actor=actor())
    return _fresh(rule)


@bp.post("/rules/<uuid:rule_id>/switch")
@operation(TAG, "admin", AutomationRuleShape, acts=True)
def switch_automation_rule(rule_id: UUID, json: SwitchWanted) -> AutomationRuleShape:
    """Switch a rule on or off, and its autopilot; what waits for approval keeps waiting when autopilot begins."""
    rule = automation_rules.switch(session(), rule_id, enabled=json.enabled, autopilot=json.autopilot, actor=actor())
    return _fresh(rule)


@bp.delete("/rules/<uuid:rule_id>")
@operation(TAG, "admin", Count, acts=True)
def remove_automation_rule(rule_id: UUID) -> Count:
    """Take a rule away; what it did stays in the list of decisions."""
    automation_rules.remove(session(), rule_id, actor=actor())
    return Count(changed=1)


@bp.get("/decisions")
@operation(TAG, "read", DecisionPage)
def list_decisions(query: DecisionQuery) -> DecisionPage:
    """List decisions of rules, newest first."""
    found = decisions.queue(
        session(), state=query.state, rule_id=query.rule_id, after=unseal(query.cursor), limit=query.limit
    )
    return DecisionPage(items=[DecisionShape.of(each) for each in found.entries], next_cursor=seal(found.next))


@bp.post("/decisions/approve")
@operation(TAG, "list", CarriedShape, acts=True)
def approve_decisions(json: DecisionsWanted) -> CarriedShape:
    """Approve decisions and carry them out as far as their limits leave room."""
    approved = decisions.approve(session(), json.ids, actor=actor(), now=now(), rule_id=json.rule_id)
    carried = carrying_out.carry_out(session(), approved, books=runtime().books, now=now())
    for run in carried.runs:
        session().refresh(run)
    return CarriedShape(
        approved=len(approved),
        done=carried.done,
        failed=carried.failed,
        expired=carried.expired,
        runs=[RunShape.of(wake_after_commit(run)) for run in carried.runs],
    )


@bp.post("/decisions/reject")
@operation(TAG, "list", Count, acts=True)
def reject_decisions(json: DecisionsWanted) -> Count:
    """Reject decisions; their rules ask again when the price moves."""
    return Count(changed=len(decisions.reject(session(), json.ids, actor=actor(), now=now(), rule_id=json.rule_id)))


@bp.post("/process")
@operation(TAG, "list", Started, status=202, acts=True)
def process() -> Any:
    """Let the rules look at everything now, and carry out what is approved."""
    return started_run(start_run("automate"))


def _shape(rule: Rule) -> AutomationRuleShape:
    return AutomationRuleShape.model_validate(rule)


def _fresh(rule: Rule) -> AutomationRuleShape:
    session().refresh(rule)
    return _shape(rule)
