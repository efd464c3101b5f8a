"""A week on autopilot in a sandbox of its own: hour by hour on a clock that stands still in between, with faults.

Everything that chance decides comes from the seed - the sandbox's dice, the faults, and the ids by which what is equal
otherwise is told apart - so that a week told again ends with the same report. Runs are performed one after the other in
one process: which of several workers comes first is nothing that a seed decides.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.jobs import tasks
from soleflip.models import (
    AutomatedPair,
    Decision,
    Item,
    LedgerEntry,
    Opportunity,
    PayoutLine,
    Run,
    StockxListing,
    StockxOrder,
)
from soleflip.runtime import Runtime, SandboxClock
from soleflip.services import automation_rules, feeds, resumption, runs, settings, stop
from soleflip.services.pipeline import pipeline
from soleflip.services.settings import AutomationSettings, Thresholds
from tests.conftest import Sandbox

START = datetime.fromisoformat("2027-03-01T00:00:00+00:00")
STEP_HOURS = 8
STEPS = 7 * 24 // STEP_HOURS
MONEY_A_DAY = Decimal(9000)
PAIRS_PER_PRODUCT = 9
ACTIONS_AN_HOUR = 60
FAULTS = (
    *("drop", "drop_before", "500", "503", "html", "429", "duplicate_page", "expired_token", "unknown_enum"),
    *("extra_fields", "drop"),
)
ROUTES = ("CreateListings", "UpdateListings", "DeleteListings", "Batch", "GetOrder", "GetListing", "", "")
KINDS = ("quotes", "order_sync", "listing_sync", "reprice", "automate")
NO_WAIT = ("operation_seconds", "batch_start_seconds", "batch_min_seconds", "batch_max_seconds")
LIVE = ("pending", "submitting", "review", "active", "inactive")


@dataclass
class Week:
    """One week: the application, its sandbox, and what is written down of it."""

    runtime: Runtime
    sandbox: Sandbox
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    halts: int = 0
    days: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self, feed: Path) -> int:
        """Freeze the clock, learn a feed, find its opportunities and set the rules; returns how many would pay."""
        self.sandbox.control("clock", frozen=True, set=START.isoformat())
        self.sandbox.control("settings", **dict.fromkeys(NO_WAIT, 0.0), demand=3.0, canceled=0.05, auth_failed=0.05)
        requests.post(f"{self.sandbox.auth_url}/_sandbox/seed", data=feed.read_bytes(), timeout=120).raise_for_status()
        self._look_at_the_clock()
        with self.runtime.transaction() as session:
            settings.save(session, Thresholds, {"min_profit": "1", "min_roi": "0"}, actor="week")
            settings.save(session, AutomationSettings, {"money_per_day": str(MONEY_A_DAY)}, actor="week")
            import_id = feeds.register(session, filename=feed.name).id
        self.run("feed_import", {"import_id": str(import_id), "path": str(feed)})
        with self.runtime.transaction() as session:
            self._rules(session)
            good = select(func.count()).where(Opportunity.net_profit >= 1, Opportunity.is_current)
            return session.scalar(good) or 0

    def _rules(self, session: Session) -> None:
        limits = {"pairs_per_product": PAIRS_PER_PRODUCT, "actions_per_hour": ACTIONS_AN_HOUR}
        limits |= {"money_per_day": int(MONEY_A_DAY)}
        buying = {"min_profit": 1, "min_roi": None}
        for name, subject, conditions, action, then in (
            ("Buy", "opportunity", buying, "list", {"strategy": "competitive"}),
            ("Old", "listing", {"min_age_days": 4, "rank": "above"}, "strategy", {"strategy": "time_decay"}),
        ):
            read = automation.read_rule(subject, conditions, action, then, limits)
            automation_rules.save(session, None, name, read, autopilot=True, actor="week")

    def live(self, steps: int = STEPS) -> None:
        """Live the week step by step, with faults; then let everything that waits come to its end without any."""
        chance = random.Random(self.seed)
        for number in range(steps):
            for _ in range(chance.randrange(1, 4)):
                kind, route = chance.choice(FAULTS), chance.choice(ROUTES)
                options: dict[str, Any] = {"retry_after": 0} if kind == "429" else {}
                self.sandbox.control("faults", kind=kind, route=route, skip=chance.randrange(3), **options)
                self.faults[kind] += 1
            self.step()
            if (number + 1) % (24 // STEP_HOURS) == 0:
                self.days.append(self.figures())
        requests.delete(f"{self.sandbox.auth_url}/_sandbox/faults", timeout=30).raise_for_status()
        for _ in range(3):
            self.step()
        self.days.append(self.figures())

    def step(self) -> None:
        """Let some hours pass and everything be done that is due."""
        self.sandbox.control("clock", step=STEP_HOURS * 3600)
        self._look_at_the_clock()
        self._resume()
        for kind in KINDS:
            self.run(kind)
            self.finish_open()
        # What faults left in between is looked at before the books are compared.
        self.run("order_sync")
        self.run("listing_sync")
        self.finish_open()
        with self.runtime.transaction() as session:
            self.check(session)

    def _look_at_the_clock(self) -> None:
        clock = self.runtime.clock
        assert isinstance(clock, SandboxClock)
        clock.skip(0)

    def _resume(self) -> None:
        """Do what the operator does who finds that faults have halted everything: look, and let it go on."""
        with self.runtime.transaction() as session:
            switch = stop.switch(session)
            if switch is not None and switch.is_stopped:
                self.halts += 1
                resumption.resume(session, go_on=True, actor="week", now=self.runtime.clock())

    def run(self, kind: str, params: dict[str, Any] | None = None) -> Run:
        """Start a run and perform it to its end."""
        with self.runtime.transaction() as session:
            run_id = runs.start(session, kind, actor="week", params=params).id
        return self.finish(run_id)

    def finish(self, run_id: UUID) -> Run:
        """Perform a run, again where it asks for that, until it is over."""
        while True:
            with self.runtime.transaction() as session:
                session.execute(update(Run).where(Run.id == run_id).values(retry_at=None))
            tasks.perform(str(run_id))
            with self.runtime.transaction() as session:
                run = runs.get(session, run_id)
                if run.state not in runs.OPEN_STATES:
                    return run

    def finish_open(self) -> None:
        """Perform every run that is open."""
        with self.runtime.transaction() as session:
            query = select(Run.id).where(Run.state.in_(runs.OPEN_STATES)).order_by(Run.created_at, Run.id)
            found = session.scalars(query).all()
        for run_id in found:
            self.finish(run_id)

    def check(self, session: Session) -> None:
        """What must be so at every step."""
        now = self.runtime.clock()
        held = session.scalars(select(StockxListing.item_id).where(StockxListing.status.in_(LIVE))).all()
        reserved = session.scalars(select(Item.id).where(Item.state.in_(("reserved", "listed")))).all()
        assert sorted(map(str, held)) == sorted(map(str, reserved)), "asks = pairs reserved"
        known = set(session.scalars(select(StockxListing.stockx_listing_id)))
        out = [each for each in self.sandbox.look("state")["listings"] if each["status"] in ("ACTIVE", "INACTIVE")]
        in_review = session.scalar(select(func.count()).where(StockxListing.status == "review")) or 0
        unknown = [each for each in out if str(each.get("listing_id") or each.get("id")) not in known]
        assert len(unknown) <= in_review, "an ask on StockX that nobody here knows of"
        midnight = now.astimezone(self.runtime.books.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
        spent = select(func.coalesce(func.sum(Decision.amount), 0)).where(Decision.done_at >= midnight)
        assert (session.scalar(spent) or 0) <= MONEY_A_DAY, "the day's money is passed"
        hour = select(func.count()).where(Decision.done_at > now - timedelta(hours=1)).group_by(Decision.rule_id)
        assert all(number <= ACTIONS_AN_HOUR for number in session.scalars(hour)), "the hour's actions are passed"
        unsold = (
            select(func.count())
            .select_from(AutomatedPair)
            .join(Item, Item.id == AutomatedPair.item_id)
            .where(Item.state.not_in(("sold", "written_off")))
            .group_by(Item.product_id)
        )
        assert all(number <= PAIRS_PER_PRODUCT for number in session.scalars(unsold)), "pairs of a product are passed"
        below = StockxListing.ask_price < StockxListing.floor_price
        assert not session.scalars(select(StockxListing.id).where(StockxListing.status == "active", below)).all()
        self._check_books(session)

    def _check_books(self, session: Session) -> None:
        """The ledger says what was paid out less what the sold pairs cost."""
        booked = session.scalar(select(func.coalesce(func.sum(LedgerEntry.books_amount), 0)))
        realised = select(StockxOrder).where(StockxOrder.realised_at.is_not(None))
        orders = session.scalars(realised).all()
        payouts = sum((order.net_proceeds or Decimal(0) for order in orders), Decimal(0))
        costs = sum((order.item.cost or Decimal(0) for order in orders if order.item), Decimal(0))
        assert booked == payouts - costs, "ledger = payouts - cost"
        for order in orders:
            lines = session.scalars(select(PayoutLine.amount).where(PayoutLine.order_id == order.id)).all()
            assert order.sale_price + sum(lines, Decimal(0)) == order.net_proceeds

    def figures(self) -> dict[str, Any]:
        """What stands at the end of a day, in numbers that hold no chance but the seed's."""
        with self.runtime.transaction() as session:
            bought = session.execute(select(func.count(), func.sum(Item.cost)).select_from(Item)).one()
            done = session.scalar(select(func.count()).where(Decision.state == "done"))
            sold = session.execute(
                select(func.count(), func.sum(StockxOrder.sale_price)).where(StockxOrder.order_status != "cancelled")
            ).one()
            profit = session.scalar(select(func.sum(LedgerEntry.books_amount)))
            stages = dict(pipeline(session).counts)
        return {
            "bought": tuple(map(str, bought)),
            "decisions": done,
            "sold": tuple(map(str, sold)),
            "profit": str(profit),
            "stages": stages,
        }

    def ends(self) -> Counter[str]:
        """Where the pairs that rules bought ended."""
        with self.runtime.transaction() as session:
            ended: Counter[str] = Counter()
            cursor: str | None = None
            while True:
                page = pipeline(session, by_rules=True, after=cursor, limit=200)
                ended.update(place.stage for place in page.places if place.item_id is not None)
                cursor = page.next
                if cursor is None:
                    return ended

    def report(self) -> dict[str, Any]:
        """The week as it is told: the same for the same seed."""
        faults = dict(sorted(self.faults.items()))
        return {"seed": self.seed, "faults": faults, "halts": self.halts, "days": self.days, "ends": self.ends()}
