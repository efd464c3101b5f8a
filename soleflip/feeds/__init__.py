"""Shop feeds, all of one shape: a file becomes a stream of offers and refusals, and never a half-read row."""

from soleflip.feeds.base import OFFER_COLUMNS, Feed, FeedError, FeedMapping, OfferRow, Refusal
from soleflip.feeds.opening import Preview, is_whole, open_feed, preview

__all__ = [
    "OFFER_COLUMNS",
    "Feed",
    "FeedError",
    "FeedMapping",
    "OfferRow",
    "Preview",
    "Refusal",
    "is_whole",
    "open_feed",
    "preview",
]
