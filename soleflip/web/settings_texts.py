"""The words of the settings page: a title per group, a label, a unit and a help text per field."""

from __future__ import annotations

from dataclasses import dataclass

from soleflip.config import CURRENCIES
from soleflip.domain.fee_tables import CATEGORIES
from soleflip.domain.pricing import STRATEGIES

REPRICING = (("send", "Sends new prices by itself"), ("propose", "Proposes them and waits for my word"))


@dataclass(frozen=True, slots=True)
class Text:
    """How one setting is shown; `unit` is %, fraction, money, a span of time or empty; `choices` make it a list.

    `kind` is the input's type in HTML.
    """

    label: str
    help: str = ""
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    kind: str = "text"
    optional: bool = False


TITLES: dict[str, tuple[str, str]] = {
    "vat": ("VAT", "How your sales are taxed; it changes what a pair costs you and what stays."),
    "thresholds": ("Opportunities", "What is worth showing, and what a failed sale costs on average."),
    "pricing": ("Pricing", "How new listings are priced; floor and guard rails are on the Pricing page."),
    "feeds": ("Feeds", "Where shops' feeds may be fetched from."),
    "monitor": ("Monitor", "When something live is worth a finding."),
    "alerts": ("Messages", "How alerts leave the house; the channels have a page of their own."),
    "sessions": ("Sessions", "How long a browser stays signed in. New limits hold from the next sign-in."),
    "backups": ("Backups", "The newest of each of the last days, weeks and months is kept."),
    "automation": ("Automation", "What all rules together may do; each rule has limits of its own beside these."),
    "halts": ("Automatic halts", "What stops every write to StockX by itself, until you resume. 0 asks nothing."),
}

TEXTS: dict[str, dict[str, Text]] = {
    "figures": {
        "valid_from": Text("Valid from", "Estimates of days before it stay as they are.", kind="date"),
        "category": Text("Category", "Chosen by StockX's product type.", choices=tuple(CATEGORIES.items())),
        "currency": Text(
            "Currency of the amounts", "The currency you list in.", choices=tuple((code, code) for code in CURRENCIES)
        ),
        "level": Text(
            "Seller level",
            "A level takes what StockX publishes for it; your own figures take the three fields below.",
            choices=(("0", "My own figures"), *((str(level), f"Level {level}") for level in range(1, 6))),
        ),
        "bonus_rate": Text("Bonuses", "Performance bonuses off the fee, from level 3: 0.01 is 1 %.", "fraction"),
        "transaction_rate": Text("Transaction fee", "Your seller level's fee: 0.09 is 9 %.", "fraction"),
        "minimum_fee": Text("Smallest transaction fee", "What StockX takes at least per sale."),
        "processing_rate": Text("Payment processing", "0.03 is 3 % of the sale price.", "fraction"),
        "shipping": Text("Shipping", "What StockX takes off a payout for the way to it."),
    },
    "penalties": {
        "valid_from": Text("Valid from", "Expected costs of days before it stay as they are.", kind="date"),
        "rate": Text("Share of the price", "0.15 is 15 %.", "fraction"),
        "minimum": Text("At least", "In the currency of the fees."),
    },
    "levels": {
        "valid_from": Text("Valid from", "Estimates of days before it stay as they are.", kind="date"),
        **{f"rate_{n}": Text(f"Fee at level {n}", "0.09 is 9 %." if n == 1 else "", "fraction") for n in range(1, 6)},
        **{f"sales_{n}": Text(f"Sales for level {n}", "In a quarter." if n == 2 else "") for n in range(2, 6)},
        **{f"usd_{n}": Text(f"Turnover for level {n}, USD", "Or so much." if n == 2 else "") for n in range(2, 6)},
    },
    "vat": {
        "treatment": Text(
            "Treatment",
            "Ask your tax adviser when in doubt.",
            choices=(
                ("none", "None (private, or outside VAT)"),
                ("small_business", "Small business (no VAT shown)"),
                ("vat_registered", "VAT registered"),
                ("margin_scheme", "Margin scheme (second-hand goods)"),
            ),
        ),
        "rate": Text("Rate", "The rate of your country for shoes.", "%"),
    },
    "thresholds": {
        "min_profit": Text("Smallest profit", "Per pair, after everything.", "money"),
        "min_roi": Text("Smallest return on cost (ROI)", "Profit divided by cost.", "%"),
        "max_quote_age_hours": Text("StockX price at most this old", "Older ones don't count.", "hours"),
        "max_offer_age_hours": Text("Shop price at most this old", "Older ones don't count.", "hours"),
        "default_delivery": Text("Delivery from the shop", "Where the feed says nothing.", "money"),
        "failure_rate": Text("Sales that come back", "Their share of all sales: 0.02 is 2 %.", "fraction"),
        "failure_cost": Text("Cost of one that comes back", "Postage and work.", "money"),
        "unshipped_rate": Text(
            "Sales you fail to ship", "Their share: 0.005 is 0.5 %. Each costs the penalty under Fees.", "fraction"
        ),
        "reopen_percent": Text("Dismissed comes back", "When the shop's price moves by this much.", "%"),
    },
    "feeds": {
        "private_addresses": Text(
            "Addresses in private networks",
            "Only for a feed on a machine of your own; others could use it to look into your network.",
            choices=(("no", "Refused"), ("yes", "Allowed")),
        ),
    },
    "sessions": {
        "idle_hours": Text("Unused for", "Then it has to sign in again.", "hours"),
        "longest_days": Text("At most", "Also when it is used all the time.", "days"),
    },
    "backups": {
        "daily": Text("One a day, of the last", "0 keeps none of them.", "days"),
        "weekly": Text("One a week, of the last", "", "weeks"),
        "monthly": Text("One a month, of the last", "", "months"),
    },
    "automation": {
        "money_per_day": Text("Money a day", "All purchases that rules decide on one day, together.", "money"),
        "least_price_percent": Text(
            "Ask me below", "Of the highest bid, or else the lowest ask: such a price may be a mistake.", "%"
        ),
    },
    "monitor": {
        "unseen_days": Text("An ask is never seen after", "When it stands too far above the lowest so long.", "days"),
        "unseen_percent": Text("Too far above is", "Above the lowest ask.", "%"),
        "ship_hours": Text("Ship-by date is near", "Before it ends; an alert is raised then.", "hours"),
        "estimate_percent": Text("An estimate is off by", "Of the payout; less is not worth a word.", "%"),
    },
    "alerts": {
        "site": Text("Address of this SoleFlip", "Messages link to its pages when it is set.", optional=True),
        "private_addresses": Text(
            "Addresses in private networks",
            "Only for a service on a machine of your own; others could use it to look into your network.",
            choices=(("no", "Refused"), ("yes", "Allowed")),
        ),
    },
    "pricing": {
        "strategy": Text(
            "Strategy by default",
            "A brand, a tag and a listing can have their own.",
            choices=tuple((name, strategy.label) for name, strategy in STRATEGIES.items()),
        ),
        "expires_after_days": Text("Asks end after", "Live asks are renewed before.", "days"),
        "repricing": Text("Repricing on the timetable", "Buttons do what they say.", choices=REPRICING),
    },
    "halts": {
        "error_share": Text("Failed writes", "Their share of the last ones at which all halts.", "%"),
        "error_count": Text("Writes looked at", "So many of the last ones; fewer say nothing."),
        "fall_percent": Text("A price falls too far", "Asks of a run, or offers of a feed, that fall by more.", "%"),
        "fall_share": Text("Prices that fall too far", "Their share of a run or feed at which all halts.", "%"),
        "fall_rows": Text("Prices looked at", "A run or feed with fewer halts nothing."),
        "stale_hours": Text("No StockX price is younger", "And looking at the market fails or stands still.", "hours"),
        "limited_count": Text("Requests that came too fast", "So many refusals (429) of a day halt all."),
    },
}
