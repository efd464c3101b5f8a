"""Rules, their decisions, and the pairs that were bought by them (schema `automation`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, Json, LongText, Moment, Updated, UuidKey


class Rule(Base):
    """A rule over opportunities or listings; decisions wait for approval unless `autopilot`.

    `conditions`, `action_settings` and `limits` are what domain/automation.py reads and writes.
    """

    __tablename__ = "rules"
    __table_args__ = ({"schema": "automation"},)

    id: Mapped[UuidKey]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    subject: Mapped[str] = mapped_column(String(20))
    conditions: Mapped[Json]
    action: Mapped[str] = mapped_column(String(30))
    action_settings: Mapped[Json]
    limits: Mapped[Json]
    autopilot: Mapped[bool] = mapped_column(server_default=text("false"))
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]


class Decision(Base):
    """What a rule wants done with one opportunity or listing.

    `state`: waiting (for approval), approved (is carried out as soon as the limits leave room), done, rejected,
    failed, expired (what it rests on has moved). `basis` is the offer's price or the ask: a rule decides once on a
    thing at one basis, unless it failed. `pairs` and `amount` (books' currency) are what is wanted, and once done
    what was committed.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        Index(
            "uq_decisions_once",
            "rule_id",
            "subject_id",
            "basis",
            unique=True,
            postgresql_where=text("state NOT IN ('expired', 'failed')"),
        ),
        Index(
            "uq_decisions_open",
            "subject_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'approved') AND action <> 'alert'"),
        ),
        Index("ix_decisions_open", "state", "created_at", postgresql_where=text("state IN ('waiting', 'approved')")),
        Index("ix_decisions_done_at", "done_at", postgresql_where=text("state = 'done'")),
        {"schema": "automation"},
    )

    id: Mapped[UuidKey]
    rule_id: Mapped[UUID | None] = mapped_column(ForeignKey("automation.rules.id", ondelete="SET NULL"), index=True)
    rule_name: Mapped[str] = mapped_column(String(120), server_default="")
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"), index=True)
    subject: Mapped[str] = mapped_column(String(20), server_default="opportunity")
    subject_id: Mapped[UUID]
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.products.id"), index=True)
    variant_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.variants.id"), index=True)
    action: Mapped[str] = mapped_column(String(30), server_default="alert")
    basis: Mapped[str] = mapped_column(String(60), server_default="")
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    is_autopilot: Mapped[bool] = mapped_column(server_default=text("false"))
    pairs: Mapped[int] = mapped_column(server_default="1")
    amount: Mapped[Amount | None]
    currency: Mapped[Currency | None]
    sentence: Mapped[LongText]
    detail: Mapped[Json]
    outcome: Mapped[LongText | None]
    decided_by: Mapped[str | None] = mapped_column(String(120))
    decided_at: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
    created_at: Mapped[Created]

    rule: Mapped[Rule | None] = relationship()


class AutomatedPair(Base):
    """A pair that a decision bought: `unit` counts the pairs of the decision, so that none is made twice.

    `is_kept_listed`: the pipeline puts it up again under `strategy` (None: what the rules of pricing name) when its
    listing failed or ran out, `tries` times so far.
    """

    __tablename__ = "pairs"
    __table_args__ = (UniqueConstraint("decision_id", "unit"), {"schema": "automation"})

    item_id: Mapped[UUID] = mapped_column(ForeignKey("inventory.items.id", ondelete="CASCADE"), primary_key=True)
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("automation.decisions.id", ondelete="CASCADE"))
    unit: Mapped[int]
    strategy: Mapped[str | None] = mapped_column(String(40))
    is_kept_listed: Mapped[bool] = mapped_column(server_default=text("false"))
    tries: Mapped[int] = mapped_column(server_default="0")
    tried_at: Mapped[Moment | None]
    note: Mapped[LongText | None]

    decision: Mapped[Decision] = relationship()
