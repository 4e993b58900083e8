"""What bounds a relayed session."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """What bounds a relayed session; in ms and bytes."""

    max_duration_ms: int = 60 * 60 * 1000
    silence_ms: int = 30_000
    """Longest time without an event of the upstream while a response runs."""
    reconnect_ms: int = 30_000
    """Longest trouble with the upstream before the session ends."""
    fallbacks: int = 0
    """Other endpoints that may take the session over, one after the other."""
    fall_back_ms: int = 5_000
    """Longest trouble before one does."""
    max_waiting_events: int = 256
    max_waiting_bytes: int = 1_048_576
    resolves_prompts: bool = True
    """Prompts are the project's, not the upstream's."""
    runs_mcp: bool = True
    """MCP servers are asked by the gateway; otherwise the upstream does it."""
    import_ms: int = 10_000
    tool_call_ms: int = 30_000
    tool_call_most_ms: int = 300_000
    tool_rounds: int = 8
