"""Whether the speech endpoints that the settings name answer, and take the key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Protocol

from gateway.cli.findings import Finding
from gateway.engines.hosted.configured import (
    hosted_recognisers,
    hosted_synthesiser,
    hosted_synthesisers,
)
from gateway.engines.hosted.faults import fault_of
from gateway.settings import Settings


class _Part(Protocol):
    async def probe(self) -> dict[str, Any]:
        """Try the endpoint; raise what that raises."""

    async def close(self) -> None:
        """End what runs."""


def check_endpoints(settings: Settings) -> list[Finding]:
    """Return a finding for each endpoint."""
    return list(_findings(settings))


def _findings(settings: Settings) -> Iterator[Finding]:
    for name, recogniser in hosted_recognisers(settings).items():
        yield _finding(f"stt {name}", recogniser, f"VOICEENGINE_RECOGNISERS, {name!r}")
    synthesiser = hosted_synthesiser(settings)
    if synthesiser is not None:
        yield _finding("tts", synthesiser, "VOICEENGINE_SYNTHESISER")
    for name, voice in hosted_synthesisers(settings).items():
        yield _finding(f"tts {name}", voice, f"VOICEENGINE_SYNTHESISERS, {name!r}")


def _finding(name: str, part: _Part, setting: str) -> Finding:
    async def probe() -> dict[str, Any]:
        try:
            return await part.probe()
        finally:
            await part.close()

    try:
        facts = asyncio.run(probe())
    except Exception as error:  # noqa: BLE001 -- whatever keeps it away is what was observed
        fault = fault_of(error)
        fix = f"correct `url` and `api_key` in {setting}, or start that service"
        return Finding(
            name,
            "bad",
            fault.message,
            fix,
            facts={"code": fault.code, "error": type(error).__name__},
        )
    return Finding(name, "good", f"the endpoint answers; model {facts['model']!r}", facts=facts)
