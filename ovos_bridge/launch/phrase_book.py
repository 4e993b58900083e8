"""Remembers what skills register as phrases, and tells it to whoever asks on the bus.

The stock intent engines give their intents' names only. A recogniser's grammar
needs the phrases, so the launcher listens while the skills register them and
answers `REQUEST` with one `REPLY`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REQUEST = "voiceengine.phrases.get"
REPLY = "voiceengine.phrases.reply"
MAX_EXPANSIONS = 256
"""Readings of one template that are looked at."""

_CHOICE = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")


class PhraseBook:
    """What was registered so far."""

    def __init__(self, bus: Any) -> None:
        """Listen on a bus client; make it before any skill is loaded."""
        self._bus = bus
        self._templates: dict[str, list[str]] = {}
        self._slots: dict[str, list[str]] = {}
        self._keywords: dict[str, list[str]] = {}
        self._keyword_intents: dict[str, dict[str, Any]] = {}
        self._before: dict[tuple[str, str], set[str]] = {}
        bus.on("padatious:register_intent", self._template)
        bus.on("padatious:register_entity", self._slot)
        bus.on("register_vocab", self._keyword)
        bus.on("register_intent", self._keyword_intent)
        bus.on(REQUEST, self._answer)

    def vouches(self, intent: str, utterance: str, slots: Mapping[str, Any]) -> bool:
        """Return whether each slot's value follows a word that some template puts before it.

        The network that matches looks at words one by one, and may be very sure that
        "what is two plus two" asks for the time in a town called "plus two".
        """
        words = " ".join(_words(utterance))
        for slot, value in slots.items():
            before, found, _ = f" {words} ".partition(f" {' '.join(_words(str(value)))} ")
            last = before.split()[-1:]
            if found and (last[0] if last else "") not in self._words_before(intent, slot):
                return False
        return True

    def _words_before(self, intent: str, slot: str) -> set[str]:
        key = (intent, slot)
        if key not in self._before:
            self._before[key] = {
                (_words(text.partition(mark)[0])[-1:] or [""])[0]
                for mark in (f"{{{slot}}}", f"{{ {slot} }}")
                for line in self._templates.get(intent, ())
                for text in itertools.islice(expanded(line), MAX_EXPANSIONS)
                if mark in text
            }
        return self._before[key]

    def _template(self, message: Any) -> None:
        self._before.clear()
        self._templates[message.data["name"]] = _lines(message.data)

    def _slot(self, message: Any) -> None:
        self._slots[message.data["name"]] = _lines(message.data)

    def _keyword(self, message: Any) -> None:
        kind, value = message.data.get("entity_type"), message.data.get("entity_value")
        if kind and value:
            self._keywords.setdefault(kind, []).append(value)

    def _keyword_intent(self, message: Any) -> None:
        name = message.data.get("name")
        if name:
            self._keyword_intents[name] = {
                key: message.data.get(key) or [] for key in ("requires", "at_least_one")
            }

    def _answer(self, message: Any) -> None:
        told = {
            "templates": self._templates,
            "slots": self._slots,
            "keywords": self._keywords,
            "keyword_intents": self._keyword_intents,
        }
        self._bus.emit(message.reply(REPLY, told))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", re.sub(r"\{[^}]*\}", " ", text.lower()))


def _lines(data: dict[str, Any]) -> list[str]:
    samples = data.get("samples")
    if samples:
        return [str(sample) for sample in samples]
    path = Path(data.get("file_name") or "")
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def expanded(template: str) -> Iterator[str]:
    """Yield what a template stands for; slots stay as they are."""
    found = _CHOICE.search(template)
    if found is None:
        yield template
        return
    inner = found.group(1) if found.group(1) is not None else found.group(2)
    options = inner.split("|")
    if found.group(2) is not None:
        options.append("")
    for option in options:
        yield from expanded(template[: found.start()] + option + template[found.end() :])
