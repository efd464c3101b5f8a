"""The process that reads one address or sends one message, asked on standard input, answering on standard output.

An audit hook lets it connect to public addresses only, and to private ones where the settings allow them, so that
neither a redirect nor a name that changes its meaning leads elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import apprise

from soleflip.channels import NO_ANSWER, SECONDS
from soleflip.domain.addresses import may_reach

LOCAL = frozenset({"dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""Schemes that show a message on the server's own screen, where nobody looks."""
NAMES_ITS_HOST = frozenset(
    name + end
    for name in ("form", "gotify", "json", "mailto", "matrix", "mmost", "ntfy", "rocket", "xml")
    for end in ("", "s")
)
"""Schemes whose host is a host, and no part of a secret."""
PRIVATE = "It leads to an address inside a private network, which is not allowed. Settings can allow it."
NEVER = "It leads to an address that no service can have, so nothing is ever sent there."


def main() -> None:
    """Carry out the order on standard input: without a message, the address is only read."""
    order = json.load(sys.stdin)
    scheme = order["address"].strip().partition("://")[0].lower()
    plugin = None if scheme in LOCAL else _plugin(order["address"])
    if plugin is None:
        answer: dict[str, Any] = {"is_sent": False, "why": "No service is known for its address: enter it again."}
    elif order.get("message") is None:
        answer = {"service": str(plugin.service_name), "shown": _shown(scheme, plugin)}
    else:
        refused: list[str] = []
        sys.addaudithook(_guard(refused, allow_private=order["allow_private"]))
        answer = _notify(plugin, order["message"], refused)
    json.dump(answer, sys.stdout)


def _plugin(address: str) -> Any:
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would name the address
    return apprise.Apprise.instantiate(address.strip())


def _shown(scheme: str, plugin: Any) -> str:
    """Return an address without its secrets."""
    host = str(plugin.host or "") if scheme in NAMES_ITS_HOST else ""
    return f"{scheme}://{host}/…" if "." in host or host == "localhost" else f"{scheme}://…"


def _notify(plugin: Any, message: dict[str, Any], refused: list[str]) -> dict[str, Any]:
    plugin.overflow_mode = apprise.OverflowMode.SPLIT
    plugin.redirects = False  # a redirected POST becomes a GET, which says 200 and brings nothing
    kind = apprise.NotifyType.WARNING if message["is_urgent"] else apprise.NotifyType.INFO
    sender = apprise.Apprise()
    sender.add(plugin)
    with _listening() as said:
        is_sent = sender.notify(
            title=message["title"], body=message["body"], notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        )
    if is_sent:
        return {"is_sent": True, "why": "The service took the message."}
    return {"is_sent": False, "why": refused[0] if refused else explain(said)}


def explain(lines: Iterable[str]) -> str:
    """Return in a sentence of ours why a service took no message; what it said itself may hold secrets."""
    text = "\n".join(lines)
    code = re.search(r"\berror(?:[ =:]| code )+([345]\d\d)\b", text)
    if code:
        phrase = next((status.phrase for status in HTTPStatus if status == int(code[1])), "")
        return f"The service answered {code[1]}{f' ({phrase})' if phrase else ''}."
    lower = text.lower()
    reasons = (
        (("connect timeout", "connection timed out"), "It can't be reached: nothing answers at its address."),
        (("read timed out", "timed out", "aborted", "remotedisconnected"), NO_ANSWER),
        (("failed to resolve", "name or service", "name resolution", "getaddrinfo"), "There is no such host."),
        (("refused",), "It can't be reached: the connection was refused."),
        (("certificate",), "Its certificate is not to be trusted."),
        (("authentication", "login", "535"), "It refused the user name or the password."),
    )
    for words, reason in reasons:
        if any(word in lower for word in words):
            return reason
    return "The service did not take the message and gave no reason."


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what Apprise writes into its log, and let it go nowhere else."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log, ear = logging.getLogger("apprise"), Ear()
    log.handlers, log.propagate = [ear], False
    log.setLevel(logging.DEBUG)
    yield said


def _guard(refused: list[str], *, allow_private: bool) -> Any:
    """Return an audit hook that refuses connections to what must not be reached, and other programs."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "syslog.syslog"):
            refused.append(NEVER)
            raise PermissionError(event)
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and not _is_open(args[1], allow_private):
            is_private = not allow_private and _is_open(args[1], allow_private=True)
            refused.append(PRIVATE if is_private else NEVER)
            raise PermissionError("an address that must not be reached")

    return hook


def _is_open(address: Any, allow_private: bool) -> bool:
    """Tell whether a socket's address may be reached; a name, or a socket of this machine, may not."""
    if not isinstance(address, tuple):
        return address is None
    try:
        return may_reach(str(address[0]), allow_private=allow_private)
    except ValueError:
        return False


if __name__ == "__main__":
    socket.setdefaulttimeout(SECONDS)
    main()
