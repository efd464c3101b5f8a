"""Settings: defaults that need nothing, refusals that name the variable, secrets that stay secret."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from soleflip.config import PROJECT, BadSetting, Settings, new_encryption_key, postgres_socket, valkey_socket


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SOLEFLIP_DATA": str(tmp_path)}


def test_everything_has_a_default(environ: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.from_env(environ)
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8000, tmp_path)
    assert settings.embedded_database
    assert settings.embedded_queue
    assert settings.sandbox
    assert settings.runs_sandbox
    assert settings.stockx_api_url == "http://127.0.0.1:8001/v2"
    assert settings.stockx_rate == settings.sandbox_speed == 60
    assert (settings.currency, settings.locale, settings.timezone) == ("EUR", "en", "Europe/Berlin")
    assert settings.operator_email is settings.operator_password is None


def test_an_empty_value_counts_as_not_set(environ: dict[str, str]) -> None:
    assert Settings.from_env({**environ, "PORT": " ", "STOCKX_CLIENT_ID": ""}).sandbox


def test_with_a_client_id_stockx_is_the_real_one(environ: dict[str, str]) -> None:
    live = {"STOCKX_CLIENT_ID": "id", "STOCKX_CLIENT_SECRET": "secret", "STOCKX_API_KEY": "key"}
    settings = Settings.from_env({**environ, **live})
    assert not settings.sandbox
    assert not settings.runs_sandbox
    assert settings.stockx_api_url == "https://api.stockx.com/v2"
    assert settings.stockx_auth_url == "https://accounts.stockx.com"
    assert settings.stockx_rate == 1


def test_a_sandbox_elsewhere_is_not_run_here(environ: dict[str, str]) -> None:
    settings = Settings.from_env({**environ, "STOCKX_API_URL": "http://other:9000/v2/"})
    assert settings.sandbox
    assert not settings.runs_sandbox
    assert settings.stockx_api_url == "http://other:9000/v2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "eight"),
        ("PORT", "80.5"),
        ("PORT", "9" * 5000),
        ("SANDBOX_PORT", "-1"),
        ("SANDBOX_SPEED", "0"),
        ("SANDBOX_SPEED", "nan"),
        ("STOCKX_RATE", "inf"),
        ("STOCKX_RATE", "fast"),
        ("STOCKX_API_URL", "api.stockx.com"),
        ("STOCKX_API_URL", "http://:port/"),
        ("STOCKX_AUTH_URL", "ftp://accounts"),
        ("DATABASE_URL", "mysql://localhost/soleflip"),
        ("DATABASE_URL", "localhost"),
        ("REDIS_URL", "http://localhost"),
        ("ENCRYPTION_KEY", "too short"),
        ("ENCRYPTION_KEY", ","),
        ("SOLEFLIP_CURRENCY", "DEM"),
        ("SOLEFLIP_LOCALE", "xx_YY"),
        ("SOLEFLIP_LOCALE", "../en"),
        ("SOLEFLIP_TIMEZONE", "Mars/Olympus"),
        ("SOLEFLIP_TIMEZONE", "/etc/passwd"),
    ],
)
def test_nonsense_is_refused_by_name(environ: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        Settings.from_env({**environ, name: value})


@given(value=st.text(max_size=20))
def test_a_port_is_a_port_or_refused(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.getbasetemp() / "ports"
    try:
        port = Settings.from_env({"SOLEFLIP_DATA": str(data), "PORT": value}).port
    except BadSetting:
        return
    assert 1 <= port <= 65535


@pytest.mark.parametrize("missing", ["STOCKX_CLIENT_SECRET", "STOCKX_API_KEY"])
def test_half_a_set_of_credentials_is_refused(environ: dict[str, str], missing: str) -> None:
    live = {"STOCKX_CLIENT_ID": "id", "STOCKX_CLIENT_SECRET": "secret", "STOCKX_API_KEY": "key"}
    del live[missing]
    with pytest.raises(BadSetting, match=missing):
        Settings.from_env({**environ, **live})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_becomes_psycopgs(environ: dict[str, str], scheme: str) -> None:
    settings = Settings.from_env({**environ, "DATABASE_URL": f"{scheme}://me:pass@host:5433/books?sslmode=require"})
    assert settings.database_url == "postgresql+psycopg://me:pass@host:5433/books?sslmode=require"
    assert not settings.embedded_database


def test_generated_secrets_are_kept_and_readable_by_their_owner_only(environ: dict[str, str], tmp_path: Path) -> None:
    first, second = Settings.from_env(environ), Settings.from_env(environ)
    assert first.secret_key == second.secret_key
    assert first.encryption_keys == second.encryption_keys
    Fernet(first.encryption_keys[0])
    for kept in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    program = "from soleflip.config import Settings; s = Settings.from_env(); print(s.secret_key, *s.encryption_keys)"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            env={"SOLEFLIP_DATA": str(tmp_path / "new")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = {process.communicate(timeout=60)[0] for process in started}
    assert len(answers) == 1
    assert len(answers.pop().split()) == 2
    assert {path.name for path in (tmp_path / "new" / "secrets").iterdir()} == {"secret_key", "encryption_key"}


def test_encryption_keys_come_newest_first(environ: dict[str, str]) -> None:
    new, old = new_encryption_key(), new_encryption_key()
    assert Settings.from_env({**environ, "ENCRYPTION_KEY": f"{new}, {old}"}).encryption_keys == (new, old)


def test_no_secret_shows_in_the_repr(environ: dict[str, str]) -> None:
    key = new_encryption_key()
    secrets = {
        "DATABASE_URL": "postgresql://me:hidden1@host/books",
        "REDIS_URL": "redis://:hidden2@host/0",
        "STOCKX_CLIENT_ID": "hidden3",
        "STOCKX_CLIENT_SECRET": "hidden4",
        "STOCKX_API_KEY": "hidden5",
        "OPERATOR_PASSWORD": "hidden6",
        "SECRET_KEY": "hidden7",
        "ENCRYPTION_KEY": key,
    }
    shown = repr(Settings.from_env({**environ, **secrets}))
    assert "hidden" not in shown
    assert key not in shown


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadSetting, match="SOLEFLIP_DATA"):
        Settings.from_env({"SOLEFLIP_DATA": str(tmp_path / "file" / "data")})


@pytest.mark.parametrize("length", [1, 60, 180])
def test_a_socket_fits_into_its_address_however_long_the_folder_is(tmp_path: Path, length: int) -> None:
    data = tmp_path / ("d" * length)
    assert len(bytes(postgres_socket(data) / ".s.PGSQL.5432")) <= 103
    assert len(bytes(valkey_socket(data))) <= 103
    assert postgres_socket(data) != postgres_socket(data.with_name("other"))


def test_an_odd_folder_survives_the_address(tmp_path: Path) -> None:
    data = tmp_path / 'it\'s 100% & "odd"?#'
    url = make_url(Settings.from_env({"SOLEFLIP_DATA": str(data)}).database_url)
    assert url.query["host"] == str(postgres_socket(data))
