"""What of OVOS this installation has."""

from __future__ import annotations

from pathlib import Path

from gateway.settings import Settings

SWITCHED_OFF = "The skills are switched off."
NOT_INSTALLED = "The skills are not installed."


def missing_skills(settings: Settings) -> str | None:
    """Return why there can be no skills, in a sentence; None where there can."""
    if not settings.skills:
        return SWITCHED_OFF
    if settings.ovos_bus_url is not None or _has_skills(settings.worker_python):
        return None
    return NOT_INSTALLED


def _has_skills(python: Path) -> bool:
    """Say whether OVOS core stands in the speech environment."""
    site = python.parent.parent / "lib"
    return any(site.glob("python*/site-packages/ovos_core")) and any(
        site.glob("python*/site-packages/ovos_padatious")
    )
