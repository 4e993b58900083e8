"""Keeps requests to addresses that clients name from reaching what is private (PLATFORM 8).

A name is resolved once; every address it has must be public, and the connection
goes to the address that was checked. Only the operator's allow-list of exact
origins opens `http`, other ports and private addresses.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx2

PORTS = frozenset({443, 8443})
RESOLVE_TIMEOUT_S = 5.0
MOST_BYTES = 5 * 1024 * 1024
"""Of one answer, or of one event of a stream of events."""

EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_NAT64 = IPv6Network("64:ff9b::/96")
Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[Address]]]


class AddressRefused(httpx2.ConnectError):
    """The address may not be reached from here."""


class AnswerTooLong(httpx2.ReadError):
    """The answer is longer than anybody wants to read."""


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the public network, embedded IPv4 looked through."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def origin(url: httpx2.URL) -> str:
    """Return scheme, host and port, the port always written out."""
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{url.scheme}://{url.host.lower()}:{port}"


async def resolved(host: str, port: int) -> list[Address]:
    """Return the addresses of a name.

    Raises:
        httpx2.ConnectError: it has none.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise httpx2.ConnectError("The name cannot be resolved.") from error
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


class Guard:
    """Decides where a connection may go; `allowed` are origins such as `http://10.0.0.5:8000`."""

    def __init__(self, allowed: Collection[str] = (), *, resolve: Resolve = resolved) -> None:
        self._resolve = resolve
        self._allowed = frozenset(origin(httpx2.URL(one)) for one in allowed)

    async def address(self, url: httpx2.URL) -> Address:
        """Return the address to connect to.

        Raises:
            AddressRefused: it is none that may be reached.
            httpx2.ConnectError: the name cannot be resolved.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        trusted = origin(url) in self._allowed
        if not trusted and (url.scheme != "https" or port not in PORTS):
            raise AddressRefused("Only HTTPS at its usual ports may be reached.")
        found = await self._resolve(url.host, port)
        if not found or not (trusted or all(is_public(address) for address in found)):
            raise AddressRefused("The address is not public.")
        return found[0]


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with a fault beyond its bound; an event's end begins the count anew."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, events: bool) -> None:
        self._stream = stream
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._stream:
            ended = max(piece.rfind(end) for end in EVENT_ENDS) if self._events else -1
            read = len(piece) - ended if ended >= 0 else read + len(piece)
            if read > MOST_BYTES:
                raise AnswerTooLong("The answer is too long.")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Connects to the address that was checked, under the name that was asked for."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)
        self._addresses: dict[str, Address] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            AddressRefused: its address is not public.
            httpx2.HTTPError: anything else that a connection may suffer.
        """
        url, place = request.url, origin(request.url)
        if place not in self._addresses:
            self._addresses[place] = await self._guard.address(url)
        extensions = {**request.extensions}
        if url.scheme == "https":
            extensions["sni_hostname"] = url.host
        sent = httpx2.Request(
            request.method,
            url.copy_with(host=str(self._addresses[place])),
            headers=request.headers,  # its Host is the name
            stream=request.stream,
            extensions=extensions,
        )
        response = await self._inner.handle_async_request(sent)
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(stream, events=_is_event_stream(response))
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _is_event_stream(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").startswith("text/event-stream")


def guarded_client(
    guard: Guard, *, headers: dict[str, str] | None = None, timeout: httpx2.Timeout
) -> httpx2.AsyncClient:
    """Return a client that follows no redirect and looks at no environment variable."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(guard),
        headers=headers,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    )
