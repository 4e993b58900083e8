"""The UDP ports that calls may take."""

from __future__ import annotations

from collections import deque

from realtime.errors import WireFault


class NoMediaPorts(WireFault):
    """Every port that calls may take is taken. Code and wording are our choice."""

    status = 503
    type = "server_error"
    code = "no_media_ports"

    def __init__(self) -> None:
        super().__init__("This server has no port left for another call. Try again later.")


class PortPool:
    """The ports of a range, for each address; the one longest unused comes first."""

    def __init__(self, ports: range) -> None:
        self._ports = ports
        self._free: dict[str, deque[int]] = {}

    def take(self, address: str) -> int | None:
        """Return a port, None when all are taken."""
        free = self._free.setdefault(address, deque(self._ports))
        return free.popleft() if free else None

    def give_back(self, address: str, port: int) -> None:
        """A port is free again."""
        self._free[address].append(port)

    def free(self, address: str) -> int:
        """Return how many ports are free."""
        return len(self._free.get(address, self._ports))
