"""Rules of pricing by listing, tag, brand and default: stored, merged, and brought to the listings they act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
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
from soleflip.services import settings
from soleflip.services.settings import PricingSettings

SCOPES = ("brand", "tag")
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

    def layers(self, brand: str | None, listing: StockxListing | None = None) -> list[Rule]:
        """Return the rules that meet for a listing, from the strongest to the default."""
        own = [] if listing is None else [own_rule(listing)]
        tags = [] if listing is None else [self.tags[tag] for tag in listing.tags if tag in self.tags]
        made_by = [self.brands[brand]] if brand is not None and brand in self.brands else []
        return [*own, *tags, *made_by, self.default]

    @property
    def shortest_quote_age(self) -> int:
        """The smallest age in minutes at which any rule calls a quote too old."""
        rules = [*self.brands.values(), *self.tags.values(), self.default]
        texts = [rule.guards.get("max_age_minutes") for rule in rules]
        return min(int(str(text)) for text in texts if text)


def own_rule(listing: StockxListing) -> Rule:
    """Return what is set on a listing itself."""
    name = "the experiment" if listing.strategy_from == "experiment" else "this listing"
    own = listing.strategy if listing.strategy_from != "rules" else None
    return Rule(name, own, {listing.strategy: listing.strategy_settings}, listing.guards)


def load(session: Session) -> Rulebook:
    """Return every stored rule."""
    stored = session.scalars(select(PricingRule)).all()
    said = next((row.strategy_settings for row in stored if row.scope == "default"), {})
    guards = pricing.written(settings.load_guards(session))
    default = Rule("the default", settings.load(session, PricingSettings).strategy, said, guards)
    rules = {
        scope: {
            row.key: Rule(f"{scope} {row.name}", row.strategy, row.strategy_settings, row.guards)
            for row in stored
            if row.scope == scope
        }
        for scope in SCOPES
    }
    return Rulebook(default, rules["brand"], rules["tag"])


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
    session.add(AuditEntry(actor=actor, act="pricing rule removed", subject=f"{rule.scope} {rule.name}", before=before))
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
    """Store a rule's guard rails; blank ones come from the next layer. Raises InvalidInput with the field."""
    rule = get(session, rule_id)
    before, rule.guards = rule.guards, checked(GuardSettings, values)
    _audit(session, rule, {"guards": before}, {"guards": rule.guards}, actor)


def save_default_settings(session: Session, strategy: str, values: Mapping[str, Any], *, actor: str) -> None:
    """Store a strategy's settings where neither listing nor tag nor brand says otherwise; raises InvalidInput."""
    read = checked(pricing.strategy_named(strategy).settings_type, values)
    session.execute(insert(PricingRule).values(scope="default", key="", name="default").on_conflict_do_nothing())
    rule = session.scalars(select(PricingRule).where(PricingRule.scope == "default").with_for_update()).one()
    before, rule.strategy_settings = rule.strategy_settings, _with(rule.strategy_settings, strategy, read)
    _audit(session, rule, before, rule.strategy_settings, actor)


def save_listing_guards(session: Session, listing: StockxListing, values: Mapping[str, Any], *, actor: str) -> None:
    """Store a listing's own guard rails; blank ones come from the next layer. Raises InvalidInput with the field."""
    before, listing.guards = listing.guards, checked(GuardSettings, values)
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
    refresh(session)
    return len(ids)


def refresh(session: Session) -> None:
    """Give every live listing that goes by the rules the strategy that they name now."""
    rulebook = load(session)
    rows = session.execute(
        select(StockxListing, Brand.key)
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Brand, Brand.id == Product.brand_id)
        .where(StockxListing.strategy_from == "rules", StockxListing.status.in_(sorted(LIVE_STATES)))
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
    return {name: read[name] for name in given}


def _with(settings_: Mapping[str, Any], strategy: str, read: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: values for name, values in settings_.items() if name != strategy}
    return {**kept, strategy: dict(read)} if read else kept


def _audit(session: Session, rule: PricingRule, before: Any, after: Any, actor: str) -> None:
    subject = f"{rule.scope} {rule.name}"
    session.add(AuditEntry(actor=actor, act="pricing rule", subject=subject, before=before, after=after))
    session.flush()
