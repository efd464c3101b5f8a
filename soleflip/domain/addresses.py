"""Addresses on the internet protocol that this server may connect to at somebody's word."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128", "fc00::/7"),
    )
)
"""Networks of one's own, this machine among them: what the settings can allow."""
_METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Where clouds tell a machine its secrets, beside the link-local 169.254.169.254 (Azure, Alibaba, Oracle, AWS, GCP)."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


def may_reach(address: str, *, allow_private: bool) -> bool:
    """Tell whether an IP address may be connected to: a public one, or where allowed one of a private network.

    Link-local, multicast, unspecified, reserved and metadata addresses are refused whatever is allowed. Raises
    ValueError for what is no address.
    """
    return all(_is_open(each, allow_private) for each in _meanings(address))


def _is_open(address: Address, allow_private: bool) -> bool:
    if address in _METADATA or address.is_multicast:
        return False
    if any(address in network for network in _PRIVATE if network.version == address.version):
        return allow_private
    return address.is_global and not getattr(address, "is_site_local", False)


def _meanings(address: str) -> list[Address]:
    """Return the address, or the IPv4 address that it carries inside it and a gateway would unpack."""
    plain = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(plain, ipaddress.IPv4Address):
        return [plain]
    if plain.ipv4_mapped:
        return [plain.ipv4_mapped]
    inner = [plain.sixtofour, *(plain.teredo or ())]
    if plain in _TRANSLATED:
        inner.append(ipaddress.IPv4Address(int(plain) & 0xFFFFFFFF))
    return [plain, *(each for each in inner if each)]
