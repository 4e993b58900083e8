"""Settings of tools: those that the gateway runs, and the actions of a client's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SKILLS_TOOL = "ask_skills"
"""The name of the tool that asks OVOS skills; no other tool of the gateway's may bear it."""

NAME = r"^[A-Za-z0-9_-]{1,64}$"


class _Offered(BaseModel):
    """Something by its name, for some models and projects; empty lists mean all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    description: str = ""
    models: list[str] = Field(default_factory=list)
    projects: list[str] = Field(default_factory=list)

    def offered_to(self, *, project_id: str, model: str) -> bool:
        """Say whether a project's sessions of a model have it."""
        return (not self.models or model in self.models) and (
            not self.projects or project_id in self.projects
        )


class WebhookTool(_Offered):
    """A tool that the gateway runs by calling an HTTP endpoint."""

    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    result: dict[str, Any] | None = None
    url: str
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    timeout_s: float = Field(10.0, gt=0, le=120)
    retries: int = Field(2, ge=0, le=5)
    shown: bool = False


class ClientAction(_Offered):
    """A command to the user's own interface; with `confirm` the user is asked first."""

    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    confirm: bool = False
    most_bytes: int = Field(4_096, ge=2, le=65_536)
    """Of its arguments and of its result."""


class ContextUpdate(_Offered):
    """Something that the interface may tell the agent without being answered."""

    data: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    most_bytes: int = Field(4_096, ge=2, le=65_536)


def check_tool_names(tools: Sequence[WebhookTool]) -> None:
    """Refuse webhooks that would take each other's place, or that of the gateway's own tool.

    Raises:
        ValueError: one does.
    """
    seen: set[str] = set()
    for tool in tools:
        if tool.name == SKILLS_TOOL:
            raise ValueError(f"no webhook may be named {SKILLS_TOOL!r}: that tool asks OVOS skills")
        if tool.name in seen:
            raise ValueError(f"two webhooks are named {tool.name!r}")
        seen.add(tool.name)
