"""Which addresses a client's URL can reach, and what is done with them."""

from __future__ import annotations

from ipaddress import ip_address

import httpx2
import pytest

from gateway.tools.guard import AddressRefused, Guard, is_public

PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_of_the_public_network_is_none(address: str) -> None:
    """Loopback, private, link-local, shared, multicast, metadata, and IPv4 in IPv6."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_address_of_the_public_network_is_one(address: str) -> None:
    """What everybody can reach may be reached."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/", "https://93.184.216.34:22/", "https://127.0.0.1/",
        "https://2130706433/", "https://0177.0.0.1/", "https://0x7f.1/", "https://localhost/",
        "https://[::ffff:127.0.0.1]/", "https://[::1]/", "https://169.254.169.254/",
    ],
)  # fmt: skip
async def test_url_that_may_not_be_reached_is_refused(url: str) -> None:
    """Plain HTTP, other ports, and every way to write a private address."""
    with pytest.raises((AddressRefused, httpx2.InvalidURL)):
        await Guard().address(httpx2.URL(url))


async def test_origin_on_the_operators_list_is_allowed_and_no_other() -> None:
    """Scheme, host and port must all be as listed."""
    guard = Guard(["http://127.0.0.1:8000"])
    assert str(await guard.address(httpx2.URL("http://127.0.0.1:8000/mcp"))) == "127.0.0.1"
    for other in ("http://127.0.0.1:8001/", "https://127.0.0.1:8000/", "http://localhost:8000/"):
        with pytest.raises(AddressRefused):
            await guard.address(httpx2.URL(other))
