"""Remembers what skills register as phrases, and tells it to whoever asks on the bus.

The stock intent engines give their intents' names only. A recogniser's grammar
needs the phrases, so the launcher listens while the skills register them and
answers `REQUEST` with one `REPLY`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUEST = "voiceengine.phrases.get"
REPLY = "voiceengine.phrases.reply"


class PhraseBook:
    """What was registered so far."""

    def __init__(self, bus: Any) -> None:
        """Listen on a bus client; make it before any skill is loaded."""
        self._bus = bus
        self._templates: dict[str, list[str]] = {}
        self._slots: dict[str, list[str]] = {}
        self._keywords: dict[str, list[str]] = {}
        self._keyword_intents: dict[str, dict[str, Any]] = {}
        bus.on("padatious:register_intent", self._template)
        bus.on("padatious:register_entity", self._slot)
        bus.on("register_vocab", self._keyword)
        bus.on("register_intent", self._keyword_intent)
        bus.on(REQUEST, self._answer)

    def vouches(self, intent: str, utterance: str, slots: Mapping[str, Any]) -> bool:
        """Return whether what surrounds the slots' values is made of the intent's own words.

        An uncertain match that cuts a slot out of strange words is mostly a question of
        another kind: in "what is two plus two" the time skill sees a town called "plus two".
        """
        if not slots:
            return True
        rest = utterance.lower()
        for value in slots.values():
            rest = rest.replace(str(value).lower(), " ", 1)
        own = {word for line in self._templates.get(intent, ()) for word in _words(line)}
        return all(word in own for word in _words(rest))

    def _template(self, message: Any) -> None:
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
