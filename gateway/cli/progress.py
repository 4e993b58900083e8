"""Tells a person at the terminal how far the parts are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.readiness import PartState, Readiness

LOOK_S = 0.2
TELL_S = 2.0
"""Something is told at least this often while parts warm up."""


async def tell_progress(
    readiness: Readiness, tell: Callable[[str], None], *, started_s: float | None = None
) -> None:
    """Tell each change, and every two seconds that it goes on; return once all is ready."""
    began = time.monotonic() if started_s is None else started_s
    last, told_s = "", 0.0
    while not readiness.ready:
        state = _state(readiness)
        now = time.monotonic()
        if state != last or now - told_s >= TELL_S:
            tell(f"[warming] {now - began:4.1f} s  {state}")
            last, told_s = state, now
        await asyncio.sleep(LOOK_S)
    tell(f"[ready]   {time.monotonic() - began:4.1f} s  {_state(readiness)}")


def _state(readiness: Readiness) -> str:
    shown = []
    for part in readiness.report()["parts"]:
        detail = f" ({part['detail']})" if part["state"] == PartState.FAILED else ""
        shown.append(f"{part['name']}: {part['state']}{detail}")
    return ", ".join(shown)
