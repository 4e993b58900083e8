"""The embedded default: OVOS speech and skills as supervised child processes."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from gateway.readiness import PartState, Readiness
from gateway.settings import Settings


class Embedded:
    """Owns the speech worker and OVOS, and the clients that reach them."""

    def __init__(self, settings: Settings, readiness: Readiness) -> None:
        self._settings = settings
        self._readiness = readiness
        self.skills: Any = None
        self.speech: Any = None
        self.skills_ready = False
        readiness.set("speech", PartState.ABSENT)
        readiness.set("skills", PartState.ABSENT)

    def status(self) -> str:
        """Say in a sentence what is missing."""
        return "Skills are not installed."

    async def __aenter__(self) -> Embedded:
        """Start."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
