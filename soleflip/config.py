"""The settings: one frozen value, read once from the environment.

Everything is optional. What is not set has a default that works on a laptop: servers of our own in the data
folder, the sandbox in place of StockX, generated secrets. A value that makes no sense is refused by name.
"""

import base64
import binascii
import contextlib
import hashlib
import math
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError

PROJECT = Path(__file__).resolve().parent.parent

LIVE_API = "https://api.stockx.com/v2"
LIVE_AUTH = "https://accounts.stockx.com"
SANDBOX_CLIENT = "sandbox-client"
SANDBOX_SECRET = "sandbox-secret"  # noqa: S105 - the sandbox accepts it from everybody
SANDBOX_KEY = "sandbox-key"
SANDBOX_TOKEN = "sandbox-refresh"  # noqa: S105 - the refresh token that every sandbox accepts

# The currencies in which StockX lists, quotes and pays.
CURRENCIES = ("AUD", "CAD", "CHF", "EUR", "GBP", "HKD", "JPY", "KRW", "MXN", "NZD", "SGD", "USD")

# Every variable, in the order of the README's table.
VARIABLES = (
    "HOST",
    "PORT",
    "ALLOWED_HOSTS",
    "TRUSTED_PROXIES",
    "METRICS_TOKEN",
    "SLOW_QUERY_MS",
    "SOLEFLIP_DATA",
    "BACKUP_DIR",
    "DATABASE_URL",
    "REDIS_URL",
    "STOCKX_API_URL",
    "STOCKX_AUTH_URL",
    "STOCKX_CLIENT_ID",
    "STOCKX_CLIENT_SECRET",
    "STOCKX_API_KEY",
    "STOCKX_RATE",
    "SANDBOX_PORT",
    "SANDBOX_SPEED",
    "OPERATOR_EMAIL",
    "OPERATOR_PASSWORD",
    "SECRET_KEY",
    "ENCRYPTION_KEY",
    "SOLEFLIP_CURRENCY",
    "SOLEFLIP_LOCALE",
    "SOLEFLIP_TIMEZONE",
)

# A Unix socket's address holds 103 bytes on the strictest system we run on (107 on Linux).
_SOCKET_PATH_BYTES = 103


class BadSetting(ValueError):
    """A variable of the environment has a value that cannot be used; the text names it and says what would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, typed and checked; secrets never show in its repr."""

    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    trusted_proxies: int
    metrics_token: str | None = field(repr=False)
    slow_query_ms: float
    data: Path
    backups: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    embedded_database: bool
    embedded_queue: bool
    stockx_api_url: str
    stockx_auth_url: str
    stockx_client_id: str = field(repr=False)
    stockx_client_secret: str = field(repr=False)
    stockx_api_key: str = field(repr=False)
    stockx_rate: float
    sandbox: bool
    sandbox_port: int
    sandbox_speed: float
    operator_email: str | None
    operator_password: str | None = field(repr=False)
    secret_key: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    currency: str
    locale: str
    timezone: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read every variable; raise BadSetting on nonsense; generate missing secrets into the data folder."""
        env = _Variables(environ)
        data = _data_folder(env)
        database_url = env.text("DATABASE_URL")
        redis_url = env.text("REDIS_URL")
        client_id = env.text("STOCKX_CLIENT_ID")
        sandbox = client_id is None
        sandbox_port = env.port("SANDBOX_PORT", _sandbox_port_in_use(data))
        sandbox_speed = env.positive("SANDBOX_SPEED", 60.0)
        here = f"http://127.0.0.1:{sandbox_port}"
        return cls(
            host=env.text("HOST") or "127.0.0.1",
            port=env.port("PORT", 8000),
            allowed_hosts=_hosts(env.text("ALLOWED_HOSTS") or ""),
            trusted_proxies=env.count("TRUSTED_PROXIES", 0),
            metrics_token=env.text("METRICS_TOKEN"),
            slow_query_ms=env.positive("SLOW_QUERY_MS", 500.0),
            data=data,
            backups=env.folder("BACKUP_DIR", data / "backups"),
            database_url=_database_url(database_url) if database_url else embedded_database_url(data),
            redis_url=_redis_url(redis_url) if redis_url else embedded_redis_url(data),
            embedded_database=database_url is None,
            embedded_queue=redis_url is None,
            stockx_api_url=env.web_address("STOCKX_API_URL", f"{here}/v2" if sandbox else LIVE_API),
            stockx_auth_url=env.web_address("STOCKX_AUTH_URL", here if sandbox else LIVE_AUTH),
            stockx_client_id=client_id or SANDBOX_CLIENT,
            stockx_client_secret=env.credential("STOCKX_CLIENT_SECRET", SANDBOX_SECRET if sandbox else None),
            stockx_api_key=env.credential("STOCKX_API_KEY", SANDBOX_KEY if sandbox else None),
            stockx_rate=env.positive("STOCKX_RATE", sandbox_speed if sandbox else 1.0),
            sandbox=sandbox,
            sandbox_port=sandbox_port,
            sandbox_speed=sandbox_speed,
            operator_email=env.text("OPERATOR_EMAIL"),
            operator_password=env.text("OPERATOR_PASSWORD"),
            secret_key=env.text("SECRET_KEY") or kept_secret(data, "secret_key", new_secret_key),
            encryption_keys=_encryption_keys(
                env.text("ENCRYPTION_KEY") or kept_secret(data, "encryption_key", new_encryption_key)
            ),
            currency=env.currency("SOLEFLIP_CURRENCY", "EUR"),
            locale=env.locale("SOLEFLIP_LOCALE", "en"),
            timezone=env.timezone("SOLEFLIP_TIMEZONE", "Europe/Berlin"),
        )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the operator's days and tax years end."""
        return ZoneInfo(self.timezone)

    @property
    def runs_sandbox(self) -> bool:
        """Is StockX played by the sandbox of this very stack, so that its process is needed?"""
        return self.stockx_api_url == f"http://127.0.0.1:{self.sandbox_port}/v2"

    @property
    def limiter_url(self) -> str:
        """The queue server's address in the spelling of the `limits` library."""
        return f"redis+{self.redis_url}" if self.redis_url.startswith("unix:") else self.redis_url


class _Variables:
    """The environment with its values checked; an empty value counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def credential(self, name: str, default: str | None) -> str:
        value = self.text(name) or default
        if value is None:
            raise BadSetting(f"{name} is not set, but STOCKX_CLIENT_ID is. Set both, or neither for the sandbox.")
        return value

    def port(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:6]) <= 65535):
            raise BadSetting(f"{name} is {value!r}, but a port is a whole number from 1 to 65535.")
        return int(value)

    def count(self, name: str, default: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 3):
            raise BadSetting(f"{name} is {value!r}, but must be a small whole number such as 0 or 1.")
        return int(value)

    def positive(self, name: str, default: float) -> float:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0):
            raise BadSetting(f"{name} is {value!r}, but must be a number above 0, such as 1 or 0.5.")
        return number

    def folder(self, name: str, default: Path) -> Path:
        value = self.text(name)
        return Path(os.path.realpath(Path(value).expanduser())) if value else default

    def web_address(self, name: str, default: str) -> str:
        value = (self.text(name) or default).rstrip("/")
        if not _is_web_address(value):
            raise BadSetting(f"{name} is {value!r}, but must be an address such as {default}.")
        return value

    def currency(self, name: str, default: str) -> str:
        value = (self.text(name) or default).upper()
        if value not in CURRENCIES:
            raise BadSetting(f"{name} is {value!r}, but StockX trades in {', '.join(CURRENCIES)}.")
        return value

    def locale(self, name: str, default: str) -> str:
        value = self.text(name) or default
        try:
            return str(Locale.parse(value.replace("-", "_")))
        except (UnknownLocaleError, ValueError):
            raise BadSetting(f"{name} is {value!r}, but must be a locale such as en, de or en_GB.") from None

    def timezone(self, name: str, default: str) -> str:
        value = self.text(name) or default
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadSetting(f"{name} is {value!r}, but must be a time zone such as Europe/Berlin.") from None


def embedded_database_url(data: Path) -> str:
    """The address of the embedded PostgreSQL of a data folder; the same in every process, running or not."""
    folder = quote(str(postgres_socket(data)), safe="")
    return f"postgresql+psycopg://soleflip@/soleflip?host={folder}&port=5432"


def embedded_redis_url(data: Path) -> str:
    """The address of the embedded Valkey of a data folder; the same in every process, running or not."""
    return f"unix://{quote(str(valkey_socket(data)))}?db=0"


def postgres_socket(data: Path) -> Path:
    """The folder in which the embedded PostgreSQL has its Unix socket."""
    return _socket_folder(data, "postgres", ".s.PGSQL.5432")


def valkey_socket(data: Path) -> Path:
    """The Unix socket of the embedded Valkey."""
    return _socket_folder(data, "valkey", "valkey.sock") / "valkey.sock"


def kept_secret(data: Path, name: str, generate: Callable[[], str]) -> str:
    """Return the secret of that name from the data folder, generating it the first time.

    Readable by its owner only. When several processes ask at once, all get the one that was first: the file is
    written aside and then linked under its name, which only one of them can do.
    """
    path = data / "secrets" / name
    try:
        with contextlib.suppress(FileNotFoundError):
            return path.read_text("utf-8").strip()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(generate() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        finally:
            os.unlink(aside)
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise BadSetting(
            f"The data folder {data} cannot keep the secret {name} ({error.strerror}). "
            "Point SOLEFLIP_DATA at a folder of yours."
        ) from error


def add_kept_key(data: Path, fresh: str, known: tuple[str, ...]) -> bool:
    """Put a key before those the data folder keeps; False when the known ones come from elsewhere."""
    path = data / "secrets" / "encryption_key"
    if not path.is_file() or tuple(path.read_text("utf-8").replace(",", " ").split()) != known:
        return False
    handle, aside = tempfile.mkstemp(prefix=".encryption_key-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(",".join((fresh, *known)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    return True


def new_secret_key() -> str:
    """A random key for signing sessions."""
    return secrets.token_urlsafe(48)


def new_encryption_key() -> str:
    """A random Fernet key: 32 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def _data_folder(env: _Variables) -> Path:
    given = env.text("SOLEFLIP_DATA")
    return Path(os.path.realpath(Path(given).expanduser() if given else PROJECT / "var"))


def sandbox_port_file(data: Path) -> Path:
    """Where a stack keeps the port of its sandbox when the usual one was taken."""
    return data / "sandbox.port"


def _sandbox_port_in_use(data: Path) -> int:
    try:
        return int(sandbox_port_file(data).read_text("ascii"))
    except (OSError, ValueError):
        return 8001


def _socket_folder(data: Path, server: str, socket: str) -> Path:
    own = data / server
    if len(os.fsencode(own / socket)) <= _SOCKET_PATH_BYTES:
        return own
    # The path must be the same in every process, whatever its TMPDIR is.
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path("/tmp") / f"soleflip-{server}-{name}"  # noqa: S108 - local.py checks whose folder it is


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _database_url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise BadSetting("DATABASE_URL must be the address of a PostgreSQL: postgresql://user:password@host/name.")
    return f"postgresql+psycopg://{rest}"


def _hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(value.replace(",", " ").split())
    for host in hosts:
        if not re.fullmatch(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\]", host):
            raise BadSetting(
                f"ALLOWED_HOSTS has {host!r}, but takes names such as soleflip.example.org or .example.org."
            )
    return hosts


def _redis_url(value: str) -> str:
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in ("redis", "rediss", "unix"):
        raise BadSetting("REDIS_URL must be the address of a Redis or Valkey: redis://host:6379/0.")
    return value


def _encryption_keys(value: str) -> tuple[str, ...]:
    keys = tuple(value.replace(",", " ").split())
    if not keys or not all(_is_fernet_key(key) for key in keys):
        raise BadSetting(
            "ENCRYPTION_KEY must hold one or more keys, newest first, parted by commas; "
            "a key is 32 random bytes in URL-safe base64 (44 characters)."
        )
    return keys


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.encode("ascii"), altchars=b"-_", validate=True)) == 32
    except (binascii.Error, UnicodeEncodeError):
        return False
