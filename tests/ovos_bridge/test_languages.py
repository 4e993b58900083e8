"""Language tags and customs."""

from __future__ import annotations

import pytest

from ovos_bridge.languages import customs, full_tag


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("de", "de-DE"),
        ("en", "en-US"),
        ("EN_gb", "en-GB"),
        ("sv", "sv-SE"),
        ("zh-Hant-TW", "zh-TW"),
        ("es-419", "es-419"),
        ("pt-br", "pt-BR"),
    ],
)
def test_language_gets_the_region_that_skills_are_found_by(given: str, full: str) -> None:
    """Clients name `de`, skills are translated to `de-DE`."""
    assert full_tag(given) == full


@pytest.mark.parametrize(
    ("language", "date", "time", "unit"),
    [
        ("en-US", "MDY", "half", "imperial"),
        ("en-GB", "DMY", "full", "metric"),
        ("en-AU", "DMY", "half", "metric"),
        ("de-DE", "DMY", "full", "metric"),
        ("ja", "YMD", "full", "metric"),
    ],
)
def test_customs_follow_the_language(language: str, date: str, time: str, unit: str) -> None:
    """Dates, hours and units are told as its speakers are used to."""
    assert customs(language) == {"date_format": date, "time_format": time, "system_unit": unit}
