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


def _leaves(event: str, arguments: tuple[Any, ...]) -> bool:
    if event in _CHILDREN:
        return True
    if event in _LOOKUPS:
        return not is_local(arguments[0])
    if event in _CONNECTIONS:
        address = arguments[1]
        internet = arguments[0].family in (socket.AF_INET, socket.AF_INET6)
        return internet and address is not None and not is_local(address[0])
    return False


def install(report: Callable[[str], None]) -> None:
    """Deny from now on whatever leaves the machine; `report` gets each event's name."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(("socket.", "subprocess.", "os.")) and _leaves(event, arguments):
            report(event)
            raise NetworkDenied(f"{event} is denied: skills may not leave this machine")

    sys.addaudithook(hook)
