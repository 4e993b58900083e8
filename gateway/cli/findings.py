"""What the doctor finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome: what was observed, and the exact remedy; `facts` are for programs."""

    name: str
    status: Literal["good", "warning", "bad"]
    observed: str
    fix: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
