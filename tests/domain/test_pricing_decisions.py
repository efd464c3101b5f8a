"""The decision table: cost, own asks, quote and settings on the left, what is decided on the right.

Fees are 9 % (at least 5) and 3 %, so a cost of 100 gives a floor of 114. `expected` reads: `139` = change to
139, `114 floor` = change to 114 with that guard, `keep` and `keep floor` = leave it, `refuse cool_down` = refused
by that guard. Times are minutes before now (`h` hours).
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from soleflip.domain.fees import FeeSchedule
from soleflip.domain.pricing import (
    GuardSettings,
    PastChange,
    PastSale,
    PricingInput,
    Proposal,
    Quote,
    decide,
    read_settings,
)
from soleflip.domain.pricing.decision import judge

FEES = FeeSchedule("EUR", Decimal("0.09"), Decimal(5), Decimal("0.03"), Decimal(0))
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

TABLE = """
case                                        | cost | ask | own     | market                       | strategy                               | guards                                | also                  | expected

# competitive: beat or match a target
beats the lowest ask by one                 | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       |                       | 139
beats by an amount                          | 100  | 150 |         | lowest_ask=140               | competitive by_amount=5                |                                       |                       | 135
beats by a percentage, whole units          | 100  | 150 |         | lowest_ask=143               | competitive by_percent=2               |                                       |                       | 140
the larger of amount and percentage         | 100  | 150 |         | lowest_ask=140               | competitive by_amount=4 by_percent=1   |                                       |                       | 136
matches the lowest ask                      | 100  | 150 |         | lowest_ask=140               | competitive stance=match               |                                       |                       | 140
an odd quote is matched from below          | 100  | 150 |         | lowest_ask=140.70            | competitive stance=match               |                                       |                       | 140
raises towards a higher market              | 100  | 150 |         | lowest_ask=160               | competitive                            |                                       |                       | 159
sell-faster is a target                     | 100  | 150 |         | lowest_ask=140 sell_faster=130 | competitive target=sell_faster       |                                       |                       | 129
earn-more is a target                       | 100  | 150 |         | lowest_ask=140 earn_more=138 | competitive target=earn_more           |                                       |                       | 137
beat-US is a target                         | 100  | 150 |         | lowest_ask=140 beat_us=136   | competitive target=beat_us stance=match |                                      |                       | 136
the bid is a target                         | 100  | 150 |         | lowest_ask=160 highest_bid=145 | competitive target=highest_bid stance=match |                                |                       | 145
a missing target changes nothing            | 100  | 150 |         | lowest_ask=140               | competitive target=beat_us             |                                       |                       | keep
already where it should be                  | 100  | 139 |         | lowest_ask=140               | competitive                            |                                       |                       | keep
a new listing starts below the market       | 100  | -   |         | lowest_ask=140               | competitive                            |                                       |                       | 139

# never against our own asks
the lowest ask is this one                  | 100  | 140 |         | lowest_ask=140               | competitive                            |                                       |                       | keep
the lowest ask is another of ours           | 100  | 150 | 140     | lowest_ask=140               | competitive                            |                                       |                       | keep
three own units stand as one                | 100  | 140 | 140 140 | lowest_ask=140               | competitive                            |                                       |                       | keep
beat-US may not lure us below ourselves     | 100  | 140 |         | lowest_ask=140 beat_us=137   | competitive target=beat_us             |                                       |                       | keep
sell-faster may not either                  | 100  | 150 | 140     | lowest_ask=140 sell_faster=133 | competitive target=sell_faster       |                                       |                       | keep
a new unit stands with its sisters          | 100  | -   | 140 145 | lowest_ask=140               | competitive                            |                                       |                       | 140
a rival below all of ours is beaten         | 100  | 150 | 140 145 | lowest_ask=138               | competitive                            |                                       |                       | 137
the bid below our own ask is not a rival    | 100  | 150 | 140     | lowest_ask=140 highest_bid=139 | competitive target=highest_bid stance=match |                               |                       | 139

# the floor: by amount, ROI, margin, hand; the highest acts
stops at the floor without profit           | 100  | 120 |         | lowest_ask=114               | competitive                            |                                       |                       | 114 floor
a least profit of 10                        | 100  | 140 |         | lowest_ask=120               | competitive                            | min_profit=10 when_rivals_below_floor=floor |                 | 125 rivals_below_floor
a least ROI of 20 %                         | 100  | 150 |         | lowest_ask=130               | competitive                            | min_roi=20 when_rivals_below_floor=floor |                    | 137 rivals_below_floor
a least margin of 20 %                      | 100  | 160 |         | lowest_ask=140               | competitive                            | min_margin=20 when_rivals_below_floor=floor |                 | 148 rivals_below_floor
the highest of three floors acts            | 100  | 160 |         | lowest_ask=140               | competitive                            | min_profit=10 min_roi=20 min_margin=20 when_rivals_below_floor=floor | | 148 rivals_below_floor
never below, whatever the cost              | 10   | 160 |         | lowest_ask=140               | competitive                            | min_ask=145.50 when_rivals_below_floor=floor |                | 146 rivals_below_floor
a small pair pays the minimum fee           | 20   | 30  |         | lowest_ask=26                | competitive                            | largest_step_percent=                 |                       | 26 floor
an ask below its floor is raised at once    | 100  | 90  |         | lowest_ask=80                | competitive                            |                                       |                       | 114 floor
even while it cools down                    | 100  | 90  |         | lowest_ask=80                | competitive                            |                                       | changed=1             | 114 floor
even with no quote                          | 100  | 90  |         | -                            | competitive                            |                                       |                       | 114 floor
even beyond the largest step                | 100  | 60  |         | lowest_ask=80                | competitive                            | largest_step=5                        |                       | 114 floor
even above the ceiling                      | 100  | 90  |         | lowest_ask=80                | competitive                            | ceiling=100                           |                       | 114 floor
no cost, no floor, no decision              | -    | 150 |         | lowest_ask=140               | competitive                            |                                       |                       | refuse no_cost
no cost but a lowest ask set by hand        | -    | 150 |         | lowest_ask=140               | competitive                            | min_ask=120                           |                       | 139
the floor also binds a new listing          | 100  | -   |         | lowest_ask=114               | competitive                            |                                       |                       | 114 floor

# what the market does not offer
rivals below the floor: hold                | 100  | 150 |         | lowest_ask=105               | competitive                            |                                       |                       | refuse rivals_below_floor
rivals below the floor: go to the floor     | 100  | 130 |         | lowest_ask=105               | competitive                            | when_rivals_below_floor=floor         |                       | 114 rivals_below_floor
rivals below the floor: go to the ceiling   | 100  | 150 |         | lowest_ask=105               | competitive                            | when_rivals_below_floor=ceiling ceiling=170 |                 | 170 rivals_below_floor
at the floor already                        | 100  | 114 |         | lowest_ask=105               | competitive                            | when_rivals_below_floor=floor         |                       | keep rivals_below_floor
no rivals: hold                             | 100  | 150 |         |                              | competitive                            |                                       |                       | refuse no_rivals
no rivals: go to the ceiling                | 100  | 150 |         |                              | competitive                            | when_no_rivals=ceiling ceiling=175    |                       | 175 no_rivals
no rivals and no ceiling to go to           | 100  | 150 |         |                              | competitive                            | when_no_rivals=ceiling                |                       | refuse no_rivals
no rivals: go to the floor, one step        | 100  | 150 |         |                              | competitive                            | when_no_rivals=floor                  |                       | 120 largest_step
all above the ceiling: stay at it           | 100  | 150 |         | lowest_ask=200               | competitive                            | ceiling=160                           |                       | 160 ceiling
all above the ceiling: hold                 | 100  | 150 |         | lowest_ask=200               | competitive                            | ceiling=160 when_above_ceiling=hold   |                       | refuse ceiling
a ceiling below the floor loses             | 100  | 130 |         | lowest_ask=125               | competitive                            | ceiling=110                           |                       | 114 ceiling
the ceiling pulls down our own lowest ask   | 100  | 170 |         | lowest_ask=170               | competitive                            | ceiling=160                           |                       | 160 ceiling
and that of a sister                        | 100  | 180 | 170     | lowest_ask=170               | competitive                            | ceiling=160                           |                       | 160 ceiling
in steps                                    | 100  | 250 |         | lowest_ask=250               | competitive                            | ceiling=160                           |                       | 200 largest_step
within what may fall today                  | 100  | 250 |         | lowest_ask=250               | competitive                            | ceiling=160 largest_fall_per_day=30   | falls=10              | 230 day_fall
no further than the floor                   | 100  | 130 |         | lowest_ask=130               | competitive                            | ceiling=110                           |                       | 114 ceiling
an ask at its floor stays there             | 100  | 114 |         | lowest_ask=114               | competitive                            | ceiling=110                           |                       | keep
hold comes down to the ceiling too          | 100  | 170 |         | lowest_ask=200               | hold                                   | ceiling=160                           |                       | 160 ceiling
as does an ask without rivals               | 100  | 170 |         |                              | competitive                            | ceiling=160                           |                       | 160 ceiling
without a quote                             | 100  | 170 |         | -                            | competitive                            | ceiling=160                           |                       | 160 ceiling
or with an old one                          | 100  | 170 |         | lowest_ask=165               | competitive                            | ceiling=160                           | quoted=90             | 160 ceiling
but not while it cools down                 | 100  | 170 |         | lowest_ask=170               | competitive                            | ceiling=160                           | changed=5             | refuse cool_down
holding means at the ceiling, not above it  | 100  | 170 |         | lowest_ask=200               | competitive                            | ceiling=160 when_above_ceiling=hold   |                       | 160 ceiling
one unit above it is no small change        | 100  | 161 |         | lowest_ask=161               | competitive                            | ceiling=160 smallest_change=5         |                       | 160 ceiling

# steps, falls, time
one step down at most                       | 100  | 200 |         | lowest_ask=150               | competitive                            |                                       |                       | 160 largest_step
one step up at most                         | 100  | 150 |         | lowest_ask=300               | competitive                            |                                       |                       | 180 largest_step
a step as an amount                         | 100  | 200 |         | lowest_ask=150               | competitive                            | largest_step=15                       |                       | 185 largest_step
what may still fall today                   | 100  | 180 |         | lowest_ask=150               | competitive                            |                                       | falls=50              | 161 day_fall
nothing may fall any more today             | 100  | 180 |         | lowest_ask=150               | competitive                            | largest_fall_per_day=40               | falls=40              | refuse day_fall
a raise is no fall                          | 100  | 150 |         | lowest_ask=160               | competitive                            | largest_fall_per_day=40               | falls=40              | 159
a raise stays near the lowest rival         | 100  | 140 |         | lowest_ask=150               | profit_maximization                    |                                       | sales=200,200,200 sold=50h | 157 above_rival
as near as the rail says                    | 100  | 140 |         | lowest_ask=150               | profit_maximization                    | above_rival_percent=10                | sales=200,200,200 sold=50h | 165 above_rival
no raise while we stand above him           | 100  | 170 |         | lowest_ask=150               | profit_maximization                    |                                       | sales=200,200,200 sold=50h | keep above_rival
with the rail off only the step counts      | 100  | 140 |         | lowest_ask=150               | profit_maximization                    | above_rival_percent=                  | sales=200,200,200 sold=50h | 168 largest_step
too small to be worth a request             | 100  | 142 |         | lowest_ask=140               | competitive                            | smallest_change=5                     |                       | keep
cooling down                                | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       | changed=10            | refuse cool_down
a change in the future: the clock jumped    | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       | changed=-600          | 139
cooled down                                 | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       | changed=20            | 139
too young                                   | 100  | 150 |         | lowest_ask=140               | competitive                            | min_age_minutes=60                    | listed=30             | refuse min_age
asleep past midnight                        | 100  | 150 |         | lowest_ask=140               | competitive                            | sleep_from=23 sleep_until=7           | hour=2                | refuse sleep
awake at the end of the sleep               | 100  | 150 |         | lowest_ask=140               | competitive                            | sleep_from=23 sleep_until=7           | hour=7                | 139
asleep at noon                              | 100  | 150 |         | lowest_ask=140               | competitive                            | sleep_from=12 sleep_until=14          | hour=13               | refuse sleep
no quote                                    | 100  | 150 |         | -                            | competitive                            |                                       |                       | refuse no_quote
an old quote                                | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       | quoted=61             | refuse stale_quote
a quote from before our own change          | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       | quoted=40 changed=30  | refuse stale_quote
a quote from before a sister's change       | 100  | 150 | 145     | lowest_ask=140               | competitive                            |                                       | quoted=40 sister=30   | refuse stale_quote
a quote from the future                     | 100  | 150 |         | lowest_ask=140               | competitive                            |                                       | quoted=-30            | refuse stale_quote

# price wars
three answered cuts: stop                   | 100  | 140 |         | lowest_ask=139               | competitive                            |                                       | cuts=146,144,142,140 each=1h | refuse price_war
two answered cuts are no war yet            | 100  | 140 |         | lowest_ask=139               | competitive                            |                                       | cuts=144,142,140 each=1h | 138
quiet for half a day: try near above him    | 100  | 140 |         | lowest_ask=139               | competitive                            |                                       | cuts=146,144,142,140 each=1h quiet=13h | 145
a war at the floor starts with one cut      | 100  | 114 |         | lowest_ask=113               | competitive                            |                                       | cuts=116,114 each=1h  | refuse price_war
and is left after the same quiet            | 100  | 114 |         | lowest_ask=113               | competitive                            |                                       | cuts=116,114 each=1h quiet=13h | 116
never above where it began                  | 100  | 140 |         | lowest_ask=139               | competitive                            | above_rival_percent=50                  | cuts=146,144,142,140 each=1h quiet=13h | 146
no raise is tried where none is wanted      | 100  | 140 |         | lowest_ask=139               | competitive                            | above_rival_percent=0                  | cuts=146,144,142,140 each=1h quiet=13h | refuse price_war
the market fell below both: follow it       | 100  | 140 |         | lowest_ask=125               | competitive                            |                                       | cuts=146,144,142,140 each=1h quiet=13h | 124
the rival gave up: earn more again          | 100  | 140 |         | lowest_ask=150               | competitive                            |                                       | cuts=146,144,142,140 each=1h | 149
war watch switched off                      | 100  | 140 |         | lowest_ask=139               | competitive                            | war_cuts=0                            | cuts=146,144,142,140 each=1h | 138

# the other strategies
hold holds                                  | 100  | 150 |         | lowest_ask=140               | hold                                   |                                       |                       | keep
hold starts at the last sale                | 100  | -   |         | -                            | hold                                   |                                       | sales=150,148,152     | 152
hold below the floor is still raised        | 100  | 90  |         | lowest_ask=140               | hold                                   |                                       |                       | 114 floor
quick sale takes a bid that nearly pays     | 100  | 150 |         | lowest_ask=150 highest_bid=142 | quick_sale                           |                                       |                       | 142
quick sale passes on a poor bid             | 100  | 150 |         | lowest_ask=149 highest_bid=120 | quick_sale                           |                                       |                       | 147
quick sale never sells below the floor      | 100  | 118 |         | lowest_ask=116 highest_bid=112 | quick_sale                           |                                       |                       | 114 floor
time decay starts above the market          | 100  | -   |         | -                            | time_decay                             |                                       | sales=150,150,150     | 159
time decay half way                         | 100  | 159 |         | -                            | time_decay                             |                                       | sales=150,150,150 listed=360h | 147
time decay ends below the market            | 100  | 147 |         | -                            | time_decay                             |                                       | sales=150,150,150 listed=960h | 135
time decay without sales starts where it is | 100  | 159 |         | lowest_ask=158               | time_decay                             |                                       | began=159 listed=0    | keep
and goes by its first ask, half way         | 100  | 150 |         | lowest_ask=149               | time_decay                             |                                       | began=159 listed=360h | 147
whatever the rivals do                      | 100  | 150 |         | lowest_ask=500               | time_decay                             |                                       | began=159 listed=360h | 147
to the end                                  | 100  | 147 |         | lowest_ask=90                | time_decay                             |                                       | began=159 listed=960h | 135
a new one starts above the lowest ask       | 100  | -   |         | lowest_ask=150               | time_decay                             |                                       |                       | 159
sales that pass by age it faster            | 100  | 147 |         | -                            | time_decay passed_by=10                |                                       | sales=150,150,150 listed=360h sold=2h | 135
profit: too little is known, beat the ask   | 100  | 150 |         | lowest_ask=140               | profit_maximization                    |                                       | sales=150,150         | 139
profit: nothing is known at all             | 100  | 150 |         | -                            | profit_maximization                    |                                       |                       | keep
profit: a bid above what waiting is worth   | 100  | 150 |         | lowest_ask=165 highest_bid=152 | profit_maximization                  |                                       | sales=150,150,150 sold=50h | 152
profit: a history of last winter gives way  | 100  | 150 |         | lowest_ask=160               | profit_maximization                    |                                       | sales=150,150,150     | 159
profit: not far below the lowest rival      | 100  | 170 |         | lowest_ask=190               | profit_maximization                    |                                       | sales=150,150,150 sold=50h | 171
profit: nor at all where told so            | 100  | 170 |         | lowest_ask=190               | profit_maximization deepest_undercut=0 |                                       | sales=150,150,150 sold=50h | 189
profit: asks are rounded                    | 100  | 150 |         | -                            | profit_maximization                    |                                       | sales=152,152,152 sold=50h | keep
profit: or not                              | 100  | 155 |         | -                            | profit_maximization round_to=1         |                                       | sales=152,152,152 sold=50h | 151
profit: a stale quote refuses               | 100  | 150 |         | lowest_ask=140               | profit_maximization                    |                                       | sales=150,150,150 quoted=90 | refuse stale_quote
"""  # noqa: E501 - a table is read across


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.strip().splitlines()[1:] if line.strip() and not line.startswith("#")]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def amounts(cell: str) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in (pair.split("=") for pair in cell.split())}


def minutes(text: str) -> timedelta:
    return timedelta(hours=int(text[:-1])) if text.endswith("h") else timedelta(minutes=int(text))


def given_by(cost: str, ask: str, own: str, market: str, also: str) -> PricingInput:
    """Read the facts of one row."""
    facts = dict(pair.split("=") for pair in also.split())

    def before(name: str) -> datetime | None:
        return NOW - minutes(facts[name]) if name in facts else None

    cuts = [Decimal(each) for each in facts["cuts"].split(",")] if "cuts" in facts else []
    each, quiet = minutes(facts.get("each", "0")), minutes(facts.get("quiet", "1h"))
    times = [NOW - quiet - each * back for back in range(len(cuts) - 1)][::-1]
    changes = [PastChange(at, old, new) for at, old, new in zip(times, cuts, cuts[1:], strict=False)]
    quotes = [Quote(change.at + timedelta(minutes=5), lowest_ask=change.new - 1) for change in changes]
    sold = (NOW - minutes(facts.get("sold", "2000h"))).date()
    return PricingInput(
        fees=FEES,
        now=NOW,
        ask=None if ask == "-" else Decimal(ask),
        original_ask=Decimal(facts["began"]) if "began" in facts else None,
        cost=None if cost == "-" else Decimal(cost),
        listed_at=before("listed"),
        last_change_at=changes[-1].at if changes else before("changed"),
        own_changed_at=before("sister"),
        falls_today=Decimal(facts.get("falls", 0)),
        changes=changes,
        quote=None if market == "-" else Quote(before("quoted") or NOW, **amounts(market)),
        quotes=quotes,
        history=[PastSale(sold, Decimal(price)) for price in facts.get("sales", "").split(",") if price],
        own_asks=tuple(Decimal(each) for each in own.split()),
        local_hour=int(facts["hour"]) if "hour" in facts else None,
    )


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in rows()])
def test_decision(row: list[str]) -> None:
    _, cost, ask, own, market, strategy, guards, also, expected = row
    name, *settings = strategy.split()
    given = given_by(cost, ask, own, market, also)
    limits = read_settings(GuardSettings, dict(pair.split("=") for pair in guards.split()))
    decision = decide(name, dict(pair.split("=") for pair in settings), given, limits)
    told = str(decision.ask) if decision.kind == "change" else decision.kind
    assert " ".join(filter(None, (told, decision.guard))) == expected, decision.reason
    assert decision.reason.endswith(".")
    assert "  " not in decision.reason
    if decision.kind != "change":
        assert decision.ask == given.ask


def test_the_table_is_long_enough_and_names_every_guard() -> None:
    named = {row[-1].split()[-1] for row in rows()}
    assert len(rows()) >= 60
    assert {
        "floor",
        "ceiling",
        "largest_step",
        "day_fall",
        "cool_down",
        "sleep",
        "min_age",
        "stale_quote",
        "no_quote",
        "no_rivals",
        "rivals_below_floor",
        "price_war",
        "no_cost",
    } <= named
    assert {each.name for each in fields(GuardSettings)} >= {"min_profit", "min_roi", "min_margin"}


def test_no_strategy_that_goes_by_the_market_may_undercut_ourselves() -> None:
    given = given_by("100", "150", "140", "lowest_ask=140", "")
    decision = judge(lambda: Proposal(Decimal(137), "Lower."), given, GuardSettings(), quote_use="needed")
    assert (decision.kind, decision.guard, decision.ask) == ("refuse", "own_ask", Decimal(150))
    rival = given_by("100", "150", "140", "lowest_ask=139", "")
    assert judge(lambda: Proposal(Decimal(138), "Lower."), rival, GuardSettings(), quote_use="needed").ask == 138
