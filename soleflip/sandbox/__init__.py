"""A StockX of our own over HTTP: it speaks the documented interface and knows nothing of the rest of the house.

`serve` runs one world from one SQLite file until it is told to stop; `seed_world` teaches a world the products of
a shop feed. Everything else in this package is reached over HTTP.
"""

from .seed import SeedReport, seed_world
from .server import serve
from .settings import API_KEY, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from .store import StoreUnusable

__all__ = [
    "API_KEY",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "REFRESH_TOKEN",
    "SeedReport",
    "StoreUnusable",
    "seed_world",
    "serve",
]
