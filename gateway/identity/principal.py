"""Who an authenticated caller is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The owner of a valid credential. `session` is what a client secret is bound to."""

    kind: Literal["api_key", "client_secret"]
    organisation_id: str
    project_id: str
    key_id: str
    models: frozenset[str] | None = None
    """Names of the models that the key may use, None for every one."""
    client_secret_id: str | None = None
    session: dict[str, Any] | None = None
    form: dict[str, Any] | None = None
    """What a call's form asks for beside a client secret's session, as an update would."""
    temperature: float | None = None
    """What a beta client's secret says beside the session, which has no word for it."""

    def facts(self) -> dict[str, Any]:
        """Return what admission may know."""
        return {
            "kind": self.kind,
            "organisation_id": self.organisation_id,
            "project_id": self.project_id,
            "key_id": self.key_id,
            "client_secret_id": self.client_secret_id,
        }
