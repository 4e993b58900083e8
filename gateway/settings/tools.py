"""Settings of tools that the gateway runs."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class WebhookTool(BaseModel):
    """A tool that the gateway runs by calling an HTTP endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    result: dict[str, Any] | None = None
    url: str
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    timeout_s: float = Field(10.0, gt=0, le=120)
    retries: int = Field(2, ge=0, le=5)
    shown: bool = False
    models: list[str] = Field(default_factory=list)
    projects: list[str] = Field(default_factory=list)
