"""Which addresses may be connected to: public ones, private ones where allowed, and never those of nobody."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.addresses import may_reach

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"]
PRIVATE = [
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.20",
    "100.64.0.1",
    "127.0.0.1",
    "::1",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
]
NEVER = [
    *("169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("224.0.0.1", "239.255.255.250", "ff02::1", "0.0.0.0", "::", "0.1.2.3", "240.0.0.1", "255.255.255.255"),
    *("2002:a9fe:a9fe::1", "192.0.2.1", "2001:db8::1", "198.18.0.1"),
    *("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fec0::1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_always_be_reached(address: str) -> None:
    assert may_reach(address, allow_private=False)
    assert may_reach(address, allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_may_be_reached_where_it_is_allowed(address: str) -> None:
    assert not may_reach(address, allow_private=False)
    assert may_reach(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_no_setting_opens_an_address_of_nobody(address: str) -> None:
    assert not may_reach(address, allow_private=False)
    assert not may_reach(address, allow_private=True)


@given(st.ip_addresses())
def test_what_may_be_reached_without_leave_may_be_reached_with_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert may_reach(str(address), allow_private=True) >= may_reach(str(address), allow_private=False)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "::g"])
def test_what_is_no_address_raises(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        may_reach(text, allow_private=True)
