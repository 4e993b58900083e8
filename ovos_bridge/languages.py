"""Language tags as OVOS wants them, and what people who speak one are used to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REGIONS: Mapping[str, str] = {
    "ca": "ES", "cs": "CZ", "da": "DK", "el": "GR", "en": "US", "et": "EE", "eu": "ES", "fa": "IR",
    "gl": "ES", "he": "IL", "hi": "IN", "ja": "JP", "ko": "KR", "nb": "NO", "nn": "NO", "sl": "SI",
    "sv": "SE", "uk": "UA", "vi": "VN", "zh": "CN",
}  # fmt: skip
"""Where a language is meant to be spoken that is named alone; else in the country of its name."""

_YEAR_FIRST = frozenset({"hu", "ja", "ko", "lt", "mn", "zh"})
_TWELVE_HOURS = frozenset({"US", "CA", "AU", "NZ", "IN", "PH"})


def full_tag(language: str) -> str:
    """Return a tag with a region, in the usual spelling: skills are found by such tags."""
    parts = language.replace("_", "-").split("-")
    name = parts[0].lower()
    region = next((part.upper() for part in parts[1:] if len(part) in (2, 3)), None)
    return f"{name}-{region or _REGIONS.get(name, name.upper())}"


def customs(language: str) -> dict[str, Any]:
    """Return the formats of an OVOS session in which a language is spoken."""
    name, _, region = full_tag(language).partition("-")
    date = "YMD" if name in _YEAR_FIRST else "MDY" if region == "US" else "DMY"
    return {
        "date_format": date,
        "time_format": "half" if name == "en" and region in _TWELVE_HOURS else "full",
        "system_unit": "imperial" if region == "US" else "metric",
    }
