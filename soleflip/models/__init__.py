"""Tables, nothing clever. Importing this package registers them all."""

from soleflip.models.accounts import (
    ApiAnswer,
    ApiToken,
    RecoveryCode,
    SecondFactor,
    StockxConnection,
    User,
    UserSession,
)
from soleflip.models.alerts import Alert, AlertChannel, AlertDelivery
from soleflip.models.automation import AutomatedPair, Decision, Rule
from soleflip.models.away import Away, AwayAsk
from soleflip.models.catalog import Brand, Gtin, Product, StyleCode, Variant
from soleflip.models.findings import Finding
from soleflip.models.listings import ListingChange, ListingMove, PricingHistory, PricingRule, StockxBatch, StockxListing
from soleflip.models.market import (
    FeedImport,
    FeedRefusal,
    FeedSource,
    LatestQuote,
    MarketPrice,
    MarketPriceHistory,
    MatchDecision,
    Opportunity,
    PastSale,
    Quote,
    SavedSearch,
    SearchHit,
    Shop,
)
from soleflip.models.orders import LedgerEntry, OrderEvent, PayoutLine, ProfitDay, StockxOrder
from soleflip.models.runs import AuditEntry, Export, ExportChunk, Replay, Run, RunLine, Setting
from soleflip.models.stock import Item, Purchase
from soleflip.models.stop import StopSwitch
from soleflip.models.timetable import TimetableSetting

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "ApiAnswer",
    "ApiToken",
    "AuditEntry",
    "AutomatedPair",
    "Away",
    "AwayAsk",
    "Brand",
    "Decision",
    "Export",
    "ExportChunk",
    "FeedImport",
    "FeedRefusal",
    "FeedSource",
    "Finding",
    "Gtin",
    "Item",
    "LatestQuote",
    "LedgerEntry",
    "ListingChange",
    "ListingMove",
    "MarketPrice",
    "MarketPriceHistory",
    "MatchDecision",
    "Opportunity",
    "OrderEvent",
    "PastSale",
    "PayoutLine",
    "PricingHistory",
    "PricingRule",
    "Product",
    "ProfitDay",
    "Purchase",
    "Quote",
    "RecoveryCode",
    "Replay",
    "Rule",
    "Run",
    "RunLine",
    "SavedSearch",
    "SearchHit",
    "SecondFactor",
    "Setting",
    "Shop",
    "StockxBatch",
    "StockxConnection",
    "StockxListing",
    "StockxOrder",
    "StopSwitch",
    "StyleCode",
    "TimetableSetting",
    "User",
    "UserSession",
    "Variant",
]
