"""Rules of pricing by listing, tag, brand and default: stored, merged, and brought to the listings they act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.pricing import Acting, GuardSettings, Rule
from soleflip.models import AuditEntry, Brand, PricingRule, Product, StockxListing
from soleflip.services import fees, settings
from soleflip.services.settings import PricingSettings

SCOPES = ("brand", "tag")
DEFAULT = "the default"
EXPERIMENT = "the experiment"
OPERATOR = "you"
LONGEST_TAG = 40
MOST_TAGS = 10


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All stored rules of one moment; brands by their key, tags by their name."""

    default: Rule
    brands: Mapping[str, Rule]
    tags: Mapping[str, Rule]

    def acting(self, brand: str | None, listing: StockxListing | None = None, *, strategy: str | None = None) -> Acting:
        """Return what acts for a listing of a brand (its key), or for one that is yet to be made.

        Of several tags the one named first on the listing is the strongest. `strategy` replaces all layers' own.
        """
        return pricing.acting(self.layers(brand, listing), strategy)

    def to_be_listed(self, brand: str | None, *, chosen: str | None, dealt: str | None) -> Acting:
        """Return what will act for a new listing: the operator's choice, else its brand's rule, else what was dealt."""
        own = [Rule(OPERATOR, chosen)] if chosen else []
        return pricing.acting([*own, *self.named(brand, (), dealt)])

    def layers(self, brand: str | None, listing: StockxListing | None = None) -> list[Rule]:
        """Return the rules that meet for a listing, from the strongest to the default."""
        if listing is None:
            return self.named(brand, ())
        dealt = listing.experiment_arm if listing.strategy_from == "experiment" else None
        return [own_rule(listing), *self.named(brand, listing.tags, dealt)]

    def named(self, brand: str | None, tags: Sequence[str], dealt: str | None = None) -> list[Rule]:
        """Return the rules of tags and brand that there are, what the experiment dealt, then the default."""
        made_by = [self.brands[brand]] if brand is not None and brand in self.brands else []
        lot = [Rule(EXPERIMENT, dealt)] if dealt else []
        return [*(self.tags[tag] for tag in tags if tag in self.tags), *made_by, *lot, self.default]

    @property
    def shortest_quote_age(self) -> int:
        """The smallest age in minutes at which any rule calls a quote too old."""
        rules = [*self.brands.values(), *self.tags.values(), self.default]
        texts = [rule.guards.get("max_age_minutes") for rule in rules]
        return min(int(str(text)) for text in texts if text)


def own_rule(listing: StockxListing) -> Rule:
    """Return what is set on a listing itself."""
    own = listing.strategy if listing.strategy_from == "listing" else None
    return Rule("this listing", own, {listing.strategy: listing.strategy_settings}, listing.guards)


def load(session: Session) -> Rulebook:
    """Return every stored rule."""
    stored = session.scalars(select(PricingRule)).all()
    said = next((row.strategy_settings for row in stored if row.scope == "default"), {})
    guards = pricing.written(settings.load_guards(session))
    default = Rule(DEFAULT, settings.load(session, PricingSettings).strategy, said, guards)
    rules = {
        scope: {
            row.key: Rule(_name(row), row.strategy, row.strategy_settings, row.guards)
            for row in stored
            if row.scope == scope
        }
        for scope in SCOPES
    }
    return Rulebook(default, rules["brand"], rules["tag"])


def _name(rule: PricingRule) -> str:
    return f"{rule.scope} {rule.name}"


def guards_of(session: Session, listing: StockxListing, rulebook: Rulebook | None = None) -> GuardSettings:
    """Return the guard rails that act for one listing now."""
    return (rulebook or load(session)).acting(brand_of(session, listing.product_id), listing).guards


def brand_of(session: Session, product_id: UUID) -> str | None:
    """Return the key of a product's brand, or None without one."""
    return session.scalar(select(Brand.key).join(Product, Product.brand_id == Brand.id).where(Product.id == product_id))


def brands_of(session: Session, product_ids: Set[UUID]) -> dict[UUID, str]:
    """Return the brand's key of each product that has one."""
    query = select(Product.id, Brand.key).join(Brand, Brand.id == Product.brand_id).where(Product.id.in_(product_ids))
    return dict(session.execute(query).all())


def stored(session: Session) -> Sequence[PricingRule]:
    """Return the rules of brands and tags by name."""
    query = select(PricingRule).where(PricingRule.scope.in_(SCOPES)).order_by(PricingRule.scope, PricingRule.name)
    return session.scalars(query).all()


def get(session: Session, rule_id: UUID) -> PricingRule:
    """Return the rule of a brand or a tag; raises NotFound."""
    rule = session.get(PricingRule, rule_id)
    if rule is None or rule.scope not in SCOPES:
        raise NotFound("There is no such rule.")
    return rule


def counts(session: Session) -> dict[tuple[str, str], int]:
    """Return how many live listings each brand (by key) and each tag has."""
    tag = func.unnest(StockxListing.tags).label("tag")
    live = StockxListing.status.in_(sorted(LIVE_STATES))
    found: dict[tuple[str, str], int] = {}
    for key, number in session.execute(select(tag, func.count()).where(live).group_by(tag)):
        found["tag", key] = number
    brands = (
        select(Brand.key, func.count())
        .join(Product, Product.brand_id == Brand.id)
        .join(StockxListing, StockxListing.product_id == Product.id)
        .where(live)
        .group_by(Brand.key)
    )
    for key, number in session.execute(brands):
        found["brand", key] = number
    return found


def add(session: Session, scope: str, name: str, *, actor: str) -> PricingRule:
    """Make an empty rule for a brand or a tag, or return the one there is; raises InvalidInput."""
    if scope not in SCOPES:
        raise InvalidInput("A rule is for a brand or for a tag.", field="scope")
    key, shown = _brand(session, name) if scope == "brand" else (read_tag(name),) * 2
    session.execute(insert(PricingRule).values(scope=scope, key=key, name=shown).on_conflict_do_nothing())
    session.add(AuditEntry(actor=actor, act="pricing rule", subject=f"{scope} {shown}"))
    session.flush()
    return session.scalars(select(PricingRule).where(PricingRule.scope == scope, PricingRule.key == key)).one()


def _brand(session: Session, name: str) -> tuple[str, str]:
    found = session.scalar(select(Brand).where(Brand.key == name.strip().casefold()))
    if found is None:
        raise InvalidInput(f"There is no brand {name.strip()[:60]!r} in the catalog.", field="name")
    return found.key, found.name


def read_tag(text: str) -> str:
    """Return a tag as it is kept: lower case, single spaces; raises InvalidInput for none or a long one."""
    tag = " ".join(text.lower().replace(",", " ").split())
    if not tag or len(tag) > LONGEST_TAG:
        raise InvalidInput(f"A tag is a word or a few, at most {LONGEST_TAG} characters.", field="tag")
    return tag


def remove(session: Session, rule_id: UUID, *, actor: str) -> None:
    """Take a rule away; its listings go by the next layer."""
    rule = get(session, rule_id)
    before = {"strategy": rule.strategy, "strategy_settings": rule.strategy_settings, "guards": rule.guards}
    session.add(AuditEntry(actor=actor, act="pricing rule removed", subject=_name(rule), before=before))
    session.delete(rule)
    session.flush()
    refresh(session)


def save_strategy(
    session: Session, rule_id: UUID, *, acts: str | None, strategy: str, values: Mapping[str, Any], actor: str
) -> None:
    """Store a rule's strategy (`acts`, None for the next layer's) and its settings of one strategy.

    Blank settings come from the next layer. Raises InvalidInput with the field.
    """
    rule = get(session, rule_id)
    if acts is not None:
        pricing.strategy_named(acts)
    read = checked(pricing.strategy_named(strategy).settings_type, values)
    before = {"strategy": rule.strategy, "strategy_settings": rule.strategy_settings}
    rule.strategy = acts
    rule.strategy_settings = _with(rule.strategy_settings, strategy, read)
    after = {"strategy": rule.strategy, "strategy_settings": rule.strategy_settings}
    _audit(session, rule, before, after, actor)
    refresh(session)


def save_guards(session: Session, rule_id: UUID, values: Mapping[str, Any], *, actor: str) -> None:
    """Store a rule's guard rails; blank ones come from the next layer, `off` switches an optional one off.

    Raises InvalidInput with the field, for rails that contradict what they meet too.
    """
    rule = get(session, rule_id)
    read = checked(GuardSettings, values)
    changed = {rule.key: Rule(_name(rule), guards=read)}
    book = load(session)
    if rule.scope == "brand":
        book = replace(book, brands={**book.brands, **changed})
    else:
        book = replace(book, tags={**book.tags, **changed})
    _check_together(session, book, _name(rule))
    before, rule.guards = rule.guards, read
    _audit(session, rule, {"guards": before}, {"guards": rule.guards}, actor)


def save_default_guards(session: Session, values: Mapping[str, Any], *, actor: str) -> None:
    """Store the guard rails where no rule says otherwise; blank optional ones are off.

    Raises InvalidInput with the field, for rails that contradict each other or those of a rule or a listing too.
    """
    read = pricing.written(pricing.read_settings(GuardSettings, values))
    rulebook = load(session)
    _check_together(session, replace(rulebook, default=replace(rulebook.default, guards=read)), DEFAULT)
    settings.save_guards(session, dict(values), actor=actor)


def _check_together(session: Session, rulebook: Rulebook, touched: str) -> None:
    """Raise InvalidInput where a rail of the touched layer contradicts another that acts on the same listing."""
    for rules in _meetings(session, rulebook):
        try:
            found = pricing.acting(rules)
        except InvalidInput:
            continue  # what can't be read acts nowhere, and is said where it is kept
        pricing.check_rails(found.guards, found.guard_layers, touched)


def _meetings(session: Session, rulebook: Rulebook) -> Iterator[list[Rule]]:
    """Yield the layers that meet: each rule with the default, and those of the live listings."""
    yield [rulebook.default]
    for rule in (*rulebook.brands.values(), *rulebook.tags.values()):
        yield [rule, rulebook.default]
    live = (
        select(Brand.key, StockxListing.tags, StockxListing.guards)
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Brand, Brand.id == Product.brand_id)
        .where(StockxListing.status.in_(sorted(LIVE_STATES)))
        .distinct()
    )
    for brand, tags, guards in session.execute(live):
        yield [Rule("a listing of its own", guards=guards), *rulebook.named(brand, tags)]


def save_default_settings(session: Session, strategy: str, values: Mapping[str, Any], *, actor: str) -> None:
    """Store a strategy's settings where neither listing nor tag nor brand says otherwise; raises InvalidInput."""
    read = checked(pricing.strategy_named(strategy).settings_type, values)
    session.execute(insert(PricingRule).values(scope="default", key="", name="default").on_conflict_do_nothing())
    rule = session.scalars(select(PricingRule).where(PricingRule.scope == "default").with_for_update()).one()
    before, rule.strategy_settings = rule.strategy_settings, _with(rule.strategy_settings, strategy, read)
    _audit(session, rule, before, rule.strategy_settings, actor)


def save_listing_guards(
    session: Session, listing: StockxListing, values: Mapping[str, Any], *, actor: str, now: datetime
) -> None:
    """Store a listing's own guard rails; blank ones come from the next layer, `off` switches an optional one off.

    Raises InvalidInput with the field, for rails that contradict those they meet or the pair's floor of now too.
    """
    read = checked(GuardSettings, values)
    own = replace(own_rule(listing), guards=read)
    brand = brand_of(session, listing.product_id)
    found = pricing.acting([own, *load(session).named(brand, listing.tags)])
    schedule = fees.book(session).schedule(listing.product.product_type, now.date())
    cost = listing.buy_price if listing.item is None else listing.item.cost
    pricing.check_rails(found.guards, found.guard_layers, own.name, cost, schedule)
    before, listing.guards = listing.guards, read
    session.add(
        AuditEntry(actor=actor, act="listing guards", subject=str(listing.id), before=before, after=listing.guards)
    )
    session.flush()


def follow_rules(session: Session, listing: StockxListing, *, actor: str) -> None:
    """Give up a listing's own strategy: tag, brand or default decide again."""
    listing.strategy_from, listing.strategy_settings = "rules", {}
    session.add(AuditEntry(actor=actor, act="strategy by the rules", subject=str(listing.id)))
    session.flush()
    refresh(session)


def tag(session: Session, listing_ids: Sequence[UUID], text: str, *, remove: bool = False, actor: str) -> int:
    """Put a tag on listings or take it off; returns how many changed; raises InvalidInput."""
    name = read_tag(text)
    has: ColumnElement[bool] = literal(name) == any_(StockxListing.tags)
    query = update(StockxListing).where(StockxListing.id.in_(listing_ids))
    if remove:
        query = query.where(has).values(tags=func.array_remove(StockxListing.tags, name))
    else:
        room = func.cardinality(StockxListing.tags) < MOST_TAGS
        query = query.where(~has, room).values(tags=func.array_append(StockxListing.tags, name))
    ids = [str(row.id) for row in session.execute(query.returning(StockxListing.id))]
    session.add(AuditEntry(actor=actor, act="untag" if remove else "tag", subject=name, after={"listings": ids}))
    session.flush()
    session.expire_all()
    if not remove:
        _check_together(session, load(session), f"tag {name}")
    refresh(session)
    return len(ids)


def refresh(session: Session) -> None:
    """Give every live listing without a strategy of its own the one that rules, experiment or default name now."""
    rulebook = load(session)
    rows = session.execute(
        select(StockxListing, Brand.key)
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Brand, Brand.id == Product.brand_id)
        .where(StockxListing.strategy_from != "listing", StockxListing.status.in_(sorted(LIVE_STATES)))
    )
    for listing, brand in rows:
        rule = next(each for each in rulebook.layers(brand, listing) if each.strategy)
        if listing.strategy != rule.strategy:
            listing.strategy, listing.strategy_settings = str(rule.strategy), {}
    session.flush()


def checked(settings_type: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not blank, as they are stored; raises InvalidInput with the field."""
    given = {name: value for name, value in values.items() if value is not None and str(value).strip()}
    read = pricing.written(pricing.read_settings(settings_type, given))
    return {name: pricing.OFF if read[name] is None else read[name] for name in given}


def _with(settings_: Mapping[str, Any], strategy: str, read: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: values for name, values in settings_.items() if name != strategy}
    return {**kept, strategy: dict(read)} if read else kept


def _audit(session: Session, rule: PricingRule, before: Any, after: Any, actor: str) -> None:
    session.add(AuditEntry(actor=actor, act="pricing rule", subject=_name(rule), before=before, after=after))
    session.flush()
