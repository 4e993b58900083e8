"""The phrases that the loaded skills understand, for a recogniser's grammar.

Templates as skills write them, `(tell|give) me [the] time in {location}`, become
plain phrases: lower-cased words, no digits, no punctuation but the apostrophe.
Every intent gets its share of the bound, shortest phrases first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ovos_bridge.bus import Bus
from ovos_bridge.launch.phrase_book import REPLY, REQUEST, expanded

_ADAPT = "intent.service.adapt.manifest"
_VOCABULARY = "intent.service.adapt.vocab.manifest"
MAX_SLOT_VALUES = 12
MAX_PER_TEMPLATE = 64
"""Phrases taken from one template or one combination of keywords."""

MAX_PER_INTENT = 160
"""Phrases of one intent; each further one costs the recogniser accuracy on the others."""

COMMON = (
    "what is the date today",
    "what's the date today",
    "tell me today's date please",
    "what's today's date",
    "what day is today",
    "tell me the time",
    "what's the time",
    "what is the time",
    "could you tell me the time please",
    "what time is it in london",
    "what time is it in new york",
    "what time is it in tokyo",
)
"""Wordings that no template spells out or that its share cuts off, but that skills answer."""

_UNITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = (*_UNITS[1:11], "twelve", "twenty")
_SLOT_VALUES: Mapping[str, Sequence[str]] = {
    "number": _NUMBERS,
    "offset": _NUMBERS,
    "lower": ("one", "five", "ten"),
    "upper": ("ten", "twenty", "one hundred"),
    "faces": ("six", "eight", "ten", "twenty"),
    "location": ("london", "paris", "berlin", "new york", "tokyo", "sydney"),
    "date": ("christmas", "new year's eve", "tomorrow", "next monday", "next friday"),
    "word": ("hello", "banana", "computer", "elephant", "weather", "house", "necessary"),
}
"""Values for slots that skills leave open; real ones are few, so that a grammar stays small."""

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*'?")
_NUMBER = re.compile(r"\b(?:\d\d?|100)\b")
_SLOT = re.compile(r"\{\{?\s*([^{}]*?)\s*\}?\}")


async def collect(bus: Bus, *, limit: int, timeout_s: float) -> Sequence[str]:
    """Ask core for its skills' phrases.

    A core that we did not start knows those of keyword intents only, and of the others
    nothing but the names; empty where it has none of them.
    """
    try:
        reply = await bus.request(REQUEST, REPLY, timeout_s=timeout_s)
    except TimeoutError:
        return phrases(await _keywords_of(bus, timeout_s), limit, common=())
    return phrases(reply.data, limit)


async def _keywords_of(bus: Bus, timeout_s: float) -> Mapping[str, Any]:
    """Return what a stock adapt pipeline tells of itself, in the phrase book's form."""
    try:
        intents = await bus.request(f"{_ADAPT}.get", _ADAPT, timeout_s=timeout_s)
        words = await bus.request(f"{_VOCABULARY}.get", _VOCABULARY, timeout_s=timeout_s)
    except TimeoutError:
        return {}
    keywords: dict[str, list[str]] = {}
    for entry in words.data.get("vocab") or ():
        english = str(entry.get("lang") or "en").lower().startswith("en")
        if english and entry.get("entity_type") and entry.get("entity_value"):
            keywords.setdefault(str(entry["entity_type"]), []).append(str(entry["entity_value"]))
    told = [entry for entry in intents.data.get("intents") or () if entry.get("name")]
    return {"keywords": keywords, "keyword_intents": {entry["name"]: entry for entry in told}}


def phrases(
    told: Mapping[str, Any], limit: int, *, common: Sequence[str] = COMMON
) -> Sequence[str]:
    """Return at most `limit` distinct phrases of what `launch.phrase_book` told."""
    slots = _slot_values(told.get("slots") or {})
    intents = [
        sorted(set(_of_templates(templates, slots)), key=_plainness)
        for templates in (told.get("templates") or {}).values()
    ]
    keywords = told.get("keywords") or {}
    intents += [
        sorted(set(_of_keywords(intent, keywords)), key=_plainness)
        for intent in (told.get("keyword_intents") or {}).values()
    ]
    taken: dict[str, None] = dict.fromkeys(common)
    # One of each in turn: an intent with thousands of phrases leaves room for the others.
    for round_of_phrases in itertools.zip_longest(*(i[:MAX_PER_INTENT] for i in intents)):
        taken.update(dict.fromkeys(phrase for phrase in round_of_phrases if phrase))
        if len(taken) >= limit:
            break
    return tuple(itertools.islice(taken, limit))


def number_in_words(number: int) -> str:
    """Return a number from 0 to 100 as it is spoken."""
    if number == 100:
        return "one hundred"
    if number < len(_UNITS):
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{_TENS[tens - 2]} {_UNITS[unit]}" if unit else _TENS[tens - 2]


def plain(phrase: str) -> str:
    """Return the words of a phrase, empty for one that is not made of plain words."""
    lowered = phrase.lower().replace("\u2019", "'")
    spelt = _NUMBER.sub(lambda found: number_in_words(int(found.group())), lowered)
    words = re.sub(r"[.,;:!?\"-]", " ", spelt).split()
    return " ".join(words) if words and all(_WORD.fullmatch(word) for word in words) else ""


def _of_templates(templates: Iterable[str], slots: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for template in templates:
        for text in itertools.islice(expanded(template), MAX_PER_TEMPLATE):
            for filled in itertools.islice(_filled(text, slots), MAX_PER_TEMPLATE):
                if words := plain(filled):
                    yield words


def _filled(text: str, slots: Mapping[str, Sequence[str]]) -> Iterator[str]:
    found = _SLOT.search(text)
    if found is None:
        yield text
        return
    for value in slots.get(found.group(1).lower(), ()):
        yield from _filled(text[: found.start()] + value + text[found.end() :], slots)


def _slot_values(told: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    values = dict(_SLOT_VALUES)
    for name, templates in told.items():
        # `skill.id:location_0123abcd…` names the slot `location`.
        slot = re.sub(r"_[0-9a-f]{32}$", "", name.rpartition(":")[2]).lower()
        spelt = (plain(text) for template in templates for text in expanded(template))
        small = tuple(dict.fromkeys(itertools.islice(filter(None, spelt), MAX_SLOT_VALUES)))
        if small:
            values[slot] = small
    return values


def _of_keywords(intent: Mapping[str, Any], keywords: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield combinations of an intent's required keywords, in the order it names them."""
    parts = [_keyword_values(name, keywords) for name in _names(intent.get("requires"))]
    parts += [
        [value for name in group for value in _keyword_values(str(name), keywords)]
        for group in intent.get("at_least_one") or ()
    ]
    if parts and all(parts):
        for chosen in itertools.islice(itertools.product(*parts), MAX_PER_TEMPLATE):
            if words := plain(" ".join(chosen)):
                yield words


def _names(requires: Any) -> list[str]:
    return [str(entry[0] if isinstance(entry, list | tuple) else entry) for entry in requires or ()]


def _keyword_values(name: str, keywords: Mapping[str, Sequence[str]]) -> Sequence[str]:
    # Intents and vocabularies spell the same name in different cases.
    values = next((v for key, v in keywords.items() if key.lower() == name.lower()), ())
    spelt = [words for value in values if (words := plain(value))]
    if spelt:
        return spelt[:MAX_SLOT_VALUES]
    # A pattern instead of words; its name ends in what it stands for.
    return next(
        (
            values
            for slot, values in _SLOT_VALUES.items()
            if name.lower().endswith(slot) and len(slot) > 2
        ),
        (),
    )


def _plainness(phrase: str) -> tuple[int, str]:
    return len(phrase.split()), phrase
