"""Keeps a process that runs skills from talking to other machines.

A caller's words are personal; some skills hand them to a service on the
internet (date-time asks a geocoder for any place it thinks it heard). The guard
is an interpreter audit hook: it sees every connection, datagram, name look-up
and child process that Python code starts, and it cannot be taken off again.
Native code that opens sockets by itself is out of its sight.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any

_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_CHILDREN = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"})
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", ""})


class NetworkDenied(ConnectionRefusedError):
    """A skill wanted to leave the machine; an `OSError`, so that skills fail softly."""


def is_local(host: object) -> bool:
    """Return whether a host (name, address, bytes, None) is this machine."""
    if host is None:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if text.lower() in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _leaves(event: str, arguments: tuple[Any, ...], bus: _Bus) -> bool:
    if event in _CHILDREN:
        return True
    if event in _LOOKUPS:
        return not is_local(arguments[0]) and arguments[0] != bus.name
    if event in _CONNECTIONS:
        address = arguments[1]
        internet = arguments[0].family in (socket.AF_INET, socket.AF_INET6)
        if not internet or address is None or is_local(address[0]):
            return False
        return not bus.is_at(address)
    return False


class _Bus:
    """The one address beside loopback that may be reached: a bus in a container beside."""

    def __init__(self, host: str | None, port: int) -> None:
        self.name = host
        self._port = port

    def is_at(self, address: tuple[Any, ...]) -> bool:
        """Return whether a socket's address is the bus's; its name is asked each time."""
        if self.name is None or address[1] != self._port:
            return False
        found = socket.getaddrinfo(self.name, self._port, type=socket.SOCK_STREAM)
        return any(entry[4][0] == address[0] for entry in found)


def install(report: Callable[[str], None], bus: tuple[str, int] | None = None) -> None:
    """Deny from now on whatever leaves the machine; `report` gets each event's name.

    `bus` is the host and port of a message bus outside this machine, which stays open.
    """
    elsewhere = _Bus(*bus) if bus is not None else _Bus(None, 0)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(("socket.", "subprocess.", "os.")) and _leaves(
            event, arguments, elsewhere
        ):
            report(event)
            raise NetworkDenied(f"{event} is denied: skills may not leave this machine")

    sys.addaudithook(hook)
