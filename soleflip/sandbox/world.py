"""One world in memory: its records, its indexes, its dice, its clock and its agenda of coming events.

The world is changed under `lock` only. Whoever changes a record calls `touch`; `save` writes all touched records in
one transaction, before any answer leaves.
"""

from __future__ import annotations

import heapq
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from .chance import Chance
from .clock import SECOND, Clock, real_now
from .market import Ask, Book, advance, open_book
from .payouts import in_euros
from .records import Batch, Fault, Listing, Operation, Order, Product, Token, Variant
from .settings import REFRESH_TOKEN, Settings
from .store import LogLine, Store

Record = Product | Variant | Book | Listing | Operation | Batch | Order | Token | Fault
_KINDS: dict[type[Any], tuple[str, str]] = {
    Product: ("product", "product_id"),
    Variant: ("variant", "variant_id"),
    Book: ("book", "variant_id"),
    Listing: ("listing", "listing_id"),
    Operation: ("operation", "operation_id"),
    Batch: ("batch", "batch_id"),
    Order: ("order", "order_number"),
    Token: ("token", "token"),
    Fault: ("fault", "fault_id"),
}
_CLASSES = {kind: cls for cls, (kind, _) in _KINDS.items()}
_FIELDS = {cls: tuple(field.name for field in fields(cls)) for cls in _KINDS}


def as_dict(record: Record) -> dict[str, Any]:
    """A record as a dict of JSON values."""
    return {name: getattr(record, name) for name in _FIELDS[type(record)]}


class World:
    """Everything the sandbox knows, loaded from its file or born now."""

    def __init__(self, database: Path, *, seed: int = 1, speed: float = 60.0) -> None:
        self.lock = threading.RLock()
        self.store = Store(database)
        self.products: dict[str, Product] = {}
        self.variants: dict[str, Variant] = {}
        self.books: dict[str, Book] = {}
        self.listings: dict[str, Listing] = {}
        self.operations: dict[str, Operation] = {}
        self.batches: dict[str, Batch] = {}
        self.orders: dict[str, Order] = {}
        self.tokens: dict[str, Token] = {}
        self.faults: dict[str, Fault] = {}
        self.settings = Settings()
        self.gtins: dict[str, str] = {}
        self.styles: dict[str, str] = {}
        self.live: dict[str, set[str]] = defaultdict(set)
        self.agenda: list[tuple[int, str, str]] = []
        self.planned: set[str] = set()
        self._touched: dict[tuple[str, str], Record] = {}
        self._removed: set[tuple[str, str]] = set()
        self._load(seed, speed)

    def _load(self, seed: int, speed: float) -> None:
        meta: dict[str, Any] | None = None
        for kind, _, body in self.store.read():
            if kind == "meta":
                meta = body
            else:
                self._index(_CLASSES[kind](**body))
        born = meta is None
        if meta is None:
            meta = {"at": real_now(), "seed": seed, "dice": Chance.named(seed, "world").state}
        self.seed: int = meta["seed"]
        self.at: int = meta["at"]
        self.dice = Chance(meta["dice"])
        self.count: int = meta.get("count", 0)
        self.settings.change(meta.get("settings", {}))
        self.clock = Clock(self.at, speed, meta.get("frozen", False))
        self.request_number, last = self.store.last_request()
        self.rate_due = 0 if last is None else last + int(self.settings.rate_seconds * SECOND)
        self.day = -1
        self.day_requests = 0
        self.stopping = threading.Event()
        if born:
            self.add(Token(REFRESH_TOKEN, "refresh", self.at, None))
            self.save()

    def _index(self, record: Record) -> None:
        match record:
            case Product():
                self.products[record.product_id] = record
                if record.style_id:
                    self.styles[record.style_id] = record.product_id
            case Variant():
                self.variants[record.variant_id] = record
                self.gtins |= {gtin: record.variant_id for gtin, _ in record.gtins}
            case Book():
                self.books[record.variant_id] = record
            case Listing():
                self.listings[record.listing_id] = record
                if record.ask_id and record.status == "ACTIVE" and not record.expired:
                    self.live[record.variant_id].add(record.listing_id)
                    self.schedule(record.expires, "expiry", record.listing_id)
                    self.plan_book(self.books[record.variant_id])
            case Operation():
                self.operations[record.operation_id] = record
                if record.status == "PENDING":
                    self.schedule(record.due, "operation", record.operation_id)
            case Batch():
                self.batches[record.batch_id] = record
                if record.status != "COMPLETED":
                    self.schedule(record.starts, "batch", record.batch_id)
            case Order():
                self.orders[record.order_number] = record
                if record.plan:
                    self.schedule(record.plan[0][0], "order", record.order_number)
            case Token():
                self.tokens[record.token] = record
            case Fault():
                self.faults[record.fault_id] = record

    def add(self, record: Record) -> None:
        """Take a new record into the world."""
        self._index(record)
        self.touch(record)

    def touch(self, record: Record) -> None:
        """Remember that a record changed and must be saved."""
        kind, key = _KINDS[type(record)]
        self._touched[kind, getattr(record, key)] = record

    def remove_fault(self, fault_id: str) -> None:
        """Forget a fault."""
        if self.faults.pop(fault_id, None) is not None:
            self._touched.pop(("fault", fault_id), None)
            self._removed.add(("fault", fault_id))

    def forget_trades(self) -> int:
        """Forget all that the account ever did, asks and orders; products and their market stay. Returns how many."""
        gone: list[Record] = [
            *self.listings.values(),
            *self.operations.values(),
            *self.batches.values(),
            *self.orders.values(),
        ]
        for record in gone:
            kind, key = _KINDS[type(record)]
            self._touched.pop((kind, getattr(record, key)), None)
            self._removed.add((kind, getattr(record, key)))
        for records in (self.listings, self.operations, self.batches, self.orders, self.live):
            records.clear()
        self.agenda = [entry for entry in self.agenda if entry[1] == "book"]
        heapq.heapify(self.agenda)
        return len(gone)

    def next_number(self) -> int:
        """A number that grows by one, to tell what came first within one millisecond."""
        self.count += 1
        return self.count

    def schedule(self, due: int, kind: str, key: str) -> None:
        """Put an event on the agenda; equal times are ordered by kind and key, so that a restart changes nothing."""
        heapq.heappush(self.agenda, (due, kind, key))

    def plan_book(self, book: Book) -> None:
        """Put the next event of a book on the agenda, once."""
        if book.variant_id not in self.planned:
            self.planned.add(book.variant_id)
            self.schedule(book.next_at, "book", book.variant_id)

    def book(self, variant_id: str) -> Book:
        """The order book of a variant, lived up to the present of the world."""
        variant = self.variants[variant_id]
        book = self.books.get(variant_id)
        if book is None:
            book = open_book(variant, self.seed, self.settings.demand)
            self.books[variant_id] = book
        # A book that holds asks of ours is moved by the agenda, where sales find their orders.
        if not self.live.get(variant_id) and advance(book, variant, self.at, self.settings.demand):
            self.touch(book)
        return book

    def own_asks(self, variant_id: str) -> list[Ask]:
        """Our live asks of a variant as the market sees them, in euros."""
        asks = [self.listings[key] for key in self.live.get(variant_id, ())]
        return [(in_euros(ask.amount, ask.currency), ask.ask_updated, ask.listing_id) for ask in asks]

    def save(self, requests: Iterable[LogLine] = ()) -> None:
        """Write all that changed and lines of the request log, in one transaction."""
        records = [(kind, key, as_dict(record)) for (kind, key), record in self._touched.items()]
        records.append(("meta", "world", self._meta()))
        self.store.write(records, self._removed, requests)
        self._touched.clear()
        self._removed.clear()

    def _meta(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "seed": self.seed,
            "dice": self.dice.state,
            "count": self.count,
            "frozen": self.clock.frozen,
            "settings": self.settings.as_dict(),
        }
