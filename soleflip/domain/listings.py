"""The states of a listing, the moves between them, and the one check that an ask must pass."""

from __future__ import annotations

from decimal import Decimal

from soleflip.domain.errors import Conflict, InvalidInput, Refused
from soleflip.domain.money import whole_up

MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"submitting", "failed", "cancelled"}),
    "submitting": frozenset({"active", "inactive", "pending", "review", "failed"}),
    "review": frozenset({"active", "inactive", "pending", "failed"}),
    "active": frozenset({"inactive", "sold", "expired", "delisted"}),
    "inactive": frozenset({"active", "sold", "expired", "delisted"}),
    "failed": frozenset({"pending"}),
    "expired": frozenset({"active", "inactive", "sold", "delisted"}),
    # A sale that was cancelled, failed or came back frees the item, never the old ask.
    "sold": frozenset({"delisted"}),
    "delisted": frozenset({"active", "inactive", "sold"}),
    "cancelled": frozenset(),
}
"""Every allowed move. A delisted listing can turn out alive or sold when StockX knows better than we do."""

LIVE_STATES = frozenset({"pending", "submitting", "review", "active", "inactive"})
"""States in which a listing holds its item: the database refuses a second one of the same item."""

ON_STOCKX = frozenset({"active", "inactive"})
"""States in which StockX has the listing and takes changes of it."""

MAX_ASK = Decimal("99999")


class BelowFloor(Refused):
    """The amount is below the floor; nothing was sent."""


class CostUnknown(Refused):
    """The item's cost is unknown, so there is no floor; the operator's word is needed once for this listing."""


def check_move(current: str, wanted: str) -> None:
    """Raise Conflict unless a listing may move from `current` to `wanted`."""
    if wanted not in MOVES.get(current, frozenset()):
        raise Conflict(f"A listing that is {current} can't become {wanted}.")


def check_ask(amount: Decimal, floor: Decimal | None, *, cost_unknown_accepted: bool) -> Decimal:
    """Return the amount as it may leave: whole currency units, not below the floor; raises Refused or InvalidInput.

    The only way an amount gets out (issue: no write below the floor on any path). `floor` None means unknown cost.
    """
    if not amount.is_finite() or amount <= 0:
        raise InvalidInput("An ask must be above zero.", field="price")
    if amount > MAX_ASK:
        raise InvalidInput(f"An ask above {MAX_ASK} is surely a slip.", field="price")
    if amount != amount.to_integral_value():
        raise InvalidInput("Asks on StockX are whole currency units.", field="price")
    if floor is None:
        if not cost_unknown_accepted:
            raise CostUnknown("The cost of this pair is unknown: enter it, or accept that once.", guard="cost_unknown")
    elif amount < whole_up(floor):
        raise BelowFloor(f"{amount} is below the floor of {whole_up(floor)}.", guard="below_floor")
    return amount.quantize(Decimal(1))
