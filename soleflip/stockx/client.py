"""The one StockX client, for StockX and the sandbox alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import requests

from soleflip.stockx.auth import Auth, TokenStore
from soleflip.stockx.batches import BatchCalls
from soleflip.stockx.budget import Budget
from soleflip.stockx.catalog import CatalogCalls
from soleflip.stockx.connection import Connection
from soleflip.stockx.listings import ListingCalls
from soleflip.stockx.orders import OrderCalls
from soleflip.stockx.transport import Transport

SLOT_WAIT = 30.0


class StockX(ListingCalls, BatchCalls, OrderCalls, CatalogCalls):
    """One typed method per operation of StockX's API, each in a lane of the shared budget.

    `clock` gives the UTC time by which tokens, blocks and days are counted; `timeout` is for connecting and for
    reading, in real seconds, as is `slot_wait`, the longest wait for a budget slot. `before_write` is called right
    before each write leaves and may raise to hold it up.
    """

    def __init__(
        self,
        *,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str,
        api_key: str,
        tokens: TokenStore,
        budget: Budget,
        clock: Callable[[], datetime],
        timeout: tuple[float, float] = (3.05, 20),
        session: requests.Session | None = None,
        encryption_keys: Sequence[str] = (),
        slot_wait: float = SLOT_WAIT,
        before_write: Callable[[], None] | None = None,
    ) -> None:
        connection = Connection(session, timeout)
        self.budget = budget
        self.auth = Auth(
            auth_url=auth_url,
            client_id=client_id,
            client_secret=client_secret,
            tokens=tokens,
            connection=connection,
            cache=budget.redis,
            name=budget.name,
            clock=clock,
            speed=budget.speed,
            encryption_keys=encryption_keys,
        )
        self._transport = Transport(
            api_url=api_url,
            api_key=api_key,
            auth=self.auth,
            budget=budget,
            clock=clock,
            connection=connection,
            slot_wait=slot_wait,
            before_write=before_write,
        )
        self._connection = connection

    @property
    def requests_sent(self) -> int:
        """How many requests this client has sent so far, token calls included."""
        return self._connection.sent

    def close(self) -> None:
        """Close the connections to StockX; the client opens new ones when it is used again."""
        self._connection.close()
