"""The language and the time zone of a session, as its client states them.

The Realtime API has no such thing: `?language=de-DE&timezone=Europe/Berlin` on the
socket is an extension of ours. `audio.input.transcription.language` comes before
the language here, and may change within the session.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from realtime.errors import InvalidValue

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")


@dataclass(frozen=True, slots=True)
class Locale:
    """What was stated; None leaves it to the settings."""

    language: str | None = None
    timezone: str | None = None


ANY_LOCALE = Locale()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def language_tag(text: str, *, param: str) -> str:
    """Return a BCP 47 tag in its usual spelling.

    Raises:
        InvalidValue: it is none.
    """
    if not _LANGUAGE.fullmatch(text):
        raise InvalidValue(
            f"Invalid value: '{text[:64]}'. Expected a BCP 47 language tag such as 'de-DE'.",
            param=param,
        )
    name, *rest = text.split("-")
    spelt = [part.title() if len(part) == 4 else part.upper() for part in rest]
    return "-".join([name.lower(), *spelt])


def timezone_name(text: str, *, param: str) -> str:
    """Return the name of a time zone.

    Raises:
        InvalidValue: there is none of that name.
    """
    # A machine without a zone database cannot tell names from nonsense: their shape must do.
    known = text in _zones() if _zones() else _ZONE.fullmatch(text) is not None
    if not known:
        raise InvalidValue(
            f"Invalid value: '{text[:64]}'. Expected an IANA time zone such as 'Europe/Berlin'.",
            param=param,
        )
    return text


def locale_in(query: Mapping[str, str]) -> Locale:
    """Return what a connection's query states.

    Raises:
        InvalidValue: it is no language or no time zone.
    """
    language, timezone = query.get("language"), query.get("timezone")
    return Locale(
        language=None if language is None else language_tag(language, param="language"),
        timezone=None if timezone is None else timezone_name(timezone, param="timezone"),
    )
