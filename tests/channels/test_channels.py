"""The process that sends: what of an address may be shown, where it may connect to, and how failures are worded."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from soleflip import channels
from soleflip.channels import NO_ANSWER, Message
from soleflip.channels.__main__ import NEVER, _guard, explain
from soleflip.domain.errors import InvalidInput
from tests.receiver import SECRET, Receiver

TOKEN = "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP_abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("address", "service", "shown"),
    [
        (f"discord://123456789012345678/{TOKEN}", "Discord", "discord://…"),
        ("tgram://123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHI/12345", "Telegram", "tgram://…"),
        ("mailtos://me:secret@example.org", "E-Mail", "mailtos://example.org/…"),
        ("ntfys://my-secret-topic", "ntfy", "ntfys://…"),
        ("jsons://me:secret@hooks.example.org/path?+X-Token=secret", "JSON", "jsons://hooks.example.org/…"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, service: str, shown: str) -> None:
    assert channels.read(address) == channels.Address(service, shown)


@pytest.mark.parametrize(
    "address", ["", "nonsense", "nobody://knows/this", "syslog://", "macosx://", "http://x.example"]
)
def test_what_no_service_understands_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        channels.read(address)
    assert refused.value.field == "address"


def test_a_service_inside_a_private_network_gets_nothing(receiver: Receiver) -> None:
    asked = channels.send(receiver.address, Message("t", "b"), allow_private=False)
    assert (asked.is_sent, receiver.got) == (False, [])
    assert "private network" in asked.why


@pytest.fixture
def hook() -> Callable[[str, tuple[Any, ...]], None]:
    found: Callable[[str, tuple[Any, ...]], None] = _guard([], allow_private=False)
    return found


def test_private_addresses_can_be_allowed_and_those_of_nobody_cannot() -> None:
    refused: list[str] = []
    hook = _guard(refused, allow_private=True)
    hook("socket.connect", (socket.socket, ("192.168.1.20", 443)))
    for address in ("169.254.169.254", "224.0.0.1", "0.0.0.0"):
        with pytest.raises(PermissionError):
            hook("socket.connect", (socket.socket, (address, 80)))
    assert refused == [NEVER] * 3


@pytest.mark.parametrize(
    "address",
    [
        ("127.0.0.1", 80),
        ("10.0.0.1", 443),
        ("169.254.169.254", 80),
        ("::1", 80, 0, 0),
        ("::ffff:192.168.1.1", 80, 0, 0),
        ("fe80::1%eth0", 80, 0, 2),
        ("localhost", 80),
        ("/run/secret.sock"),
        b"\0abstract",
    ],
)
def test_private_addresses_names_and_local_sockets_are_refused(hook: Any, address: Any) -> None:
    for event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        with pytest.raises(PermissionError):
            hook(event, (socket.socket, address))


def test_public_addresses_pass_and_other_programs_do_not(hook: Any) -> None:
    hook("socket.connect", (socket.socket, ("93.184.216.34", 443)))
    hook("open", ("/etc/ssl/cert.pem", "r", 0))
    with pytest.raises(PermissionError):
        hook("subprocess.Popen", ("sh", ["sh"], None, None))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Failed to send JSON POST notification: error=401.", "The service answered 401 (Unauthorized)."),
        ("Failed to send Discord notification: Too Many, error=429.", "The service answered 429 (Too Many Requests)."),
        ("HTTPConnectionPool: Read timed out. (read timeout=4.0)", NO_ANSWER),
        ("ConnectTimeoutError: (connect timeout=4.0)", "It can't be reached: nothing answers at its address."),
        ("Failed to resolve 'x'", "There is no such host."),
        ("[Errno 111] Connection refused", "It can't be reached: the connection was refused."),
        ("certificate verify failed", "Its certificate is not to be trusted."),
        ("535 5.7.8 Authentication failed", "It refused the user name or the password."),
        (f"something about {SECRET}", "The service did not take the message and gave no reason."),
    ],
)
def test_a_failure_is_said_in_words_of_ours(line: str, said: str) -> None:
    assert explain([line]) == said


def test_a_process_that_takes_too_long_is_ended_and_nothing_is_thought_sent(receiver: Receiver) -> None:
    receiver.answers = ["hang"]
    address = f"{receiver.address}?rto=60"
    outcome = channels.send(address, Message("t", "b"), allow_private=True, seconds=3)
    assert (outcome.is_sent, outcome.why) == (False, NO_ANSWER)


def test_a_service_that_sends_elsewhere_took_nothing(receiver: Receiver) -> None:
    receiver.answers = [302]
    asked = channels.send(receiver.address, Message("t", "b"), allow_private=True)
    assert (asked.is_sent, asked.why) == (False, "The service answered 302 (Found).")
