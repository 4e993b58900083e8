"""Language and time zone as a client states them."""

from __future__ import annotations

import pytest

from gateway.engines.echo import EchoBrain
from gateway.engines.engine import Engine
from gateway.sessions.admission import Allowed
from gateway.sessions.locale import Locale, locale_in
from gateway.sessions.opening import blocked_skills
from realtime.errors import InvalidValue


def test_locale_of_a_query_is_spelt_as_usual() -> None:
    """What is stated is taken, what is not is left to the settings."""
    stated = {"language": "DE-de", "timezone": "Europe/Berlin", "model": "gpt-realtime"}
    assert locale_in(stated) == Locale("de-DE", "Europe/Berlin")
    assert locale_in({"language": "zh-hant-tw"}) == Locale("zh-Hant-TW")
    assert locale_in({}) == Locale()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", "german"),
        ("language", ""),
        ("language", "de-DE; drop"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", ""),
    ],
)
def test_nonsense_is_refused_and_named(name: str, value: str) -> None:
    """A value that means nothing is the client's fault, with its parameter."""
    with pytest.raises(InvalidValue) as fault:
        locale_in({name: value})
    assert fault.value.param == name


def test_stated_language_reaches_the_machine() -> None:
    """The machine takes the session's language before the engine's own."""
    engine = Engine(name="e", brain=EchoBrain(), language="fr-FR")
    assert engine.traits().language == "fr-FR"
    assert engine.traits("de-DE").language == "de-DE"


def test_skills_are_blocked_by_settings_and_by_policy() -> None:
    """Policy adds to what is blocked everywhere, and takes nothing away."""
    verdict = Allowed({"blocked_skills": ["b.skill", "a.skill"]})
    assert blocked_skills(["a.skill"], verdict) == ("a.skill", "b.skill")
    assert blocked_skills(["a.skill"], Allowed()) == ("a.skill",)
