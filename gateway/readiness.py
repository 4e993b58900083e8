"""What this configuration should have, and whether each part has passed its probe."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from gateway.telemetry import metrics


class PartState(StrEnum):
    """Where a part stands; `absent` means that the configuration goes without it."""

    WARMING = "warming"
    READY = "ready"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Part:
    """One part, with a sentence for people."""

    name: str
    state: PartState
    detail: str = ""


class Readiness:
    """The parts by name."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def set(self, name: str, state: PartState, detail: str = "") -> None:
        """Say where a part stands."""
        part = self._parts.get(name, Part(name, state))
        self._parts[name] = replace(part, state=state, detail=detail)
        metrics.PARTS_READY.labels(name).set(state is PartState.READY)

    def state(self, name: str) -> PartState:
        """Return where a part stands; one nobody spoke of is absent."""
        part = self._parts.get(name)
        return PartState.ABSENT if part is None else part.state

    @property
    def ready(self) -> bool:
        """Every part works or is declared absent."""
        good = (PartState.READY, PartState.ABSENT)
        return all(part.state in good for part in self._parts.values())

    def report(self) -> dict[str, Any]:
        """Return the list for `/readyz`."""
        parts = [asdict(part) for part in self._parts.values()]
        return {"ready": self.ready, "parts": parts}
