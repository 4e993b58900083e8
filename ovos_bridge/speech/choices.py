"""Which plugins the speech worker loads, as its configuration file tells it.

A file and not a command line: options hold keys of services, and command lines
are everybody's to read. Standard library only: both environments read this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

DEFAULT = "default"
"""The recogniser that hears what no other is named for."""

WAKE_WORDS = ("hey_jarvis", "hey_mycroft", "okay_nabu", "alexa")
"""Those whose models come with the packages."""

WAKE_WORD = "micro-wake-word"
SLOT_WAIT_S = 8.0
STT, TTS, VAD = "sphinx-stream", "espeak-stream", "silero-batched"


@dataclass(frozen=True, slots=True)
class PluginChoice:
    """An OVOS plugin by its entry point's name, with the options that it gets."""

    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    slots: int | None = None
    """Instances of a recogniser, each hears one utterance at a time; None leaves it to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechChoices:
    """Everything that the worker loads; `recognisers` has one named `DEFAULT`."""

    recognisers: Mapping[str, PluginChoice] = field(
        default_factory=lambda: {DEFAULT: PluginChoice(STT)}
    )
    synthesiser: PluginChoice = field(default_factory=lambda: PluginChoice(TTS))
    detector: PluginChoice = field(default_factory=lambda: PluginChoice(VAD))
    wake_words: Mapping[str, PluginChoice] = field(
        default_factory=lambda: {
            name: PluginChoice(WAKE_WORD, {"model": name}) for name in WAKE_WORDS
        }
    )
    language: str = "en-US"
    slot_wait_s: float = SLOT_WAIT_S
    """Longest wait of a committed utterance for a slot; less than the gateway waits for words."""

    def dumps(self) -> str:
        """Return the configuration file's text."""
        return json.dumps(asdict(self), indent=1)


def loads(text: str) -> SpeechChoices:
    """Return what a configuration file says.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    told = json.loads(text)
    return SpeechChoices(
        recognisers={name: PluginChoice(**each) for name, each in told["recognisers"].items()},
        synthesiser=PluginChoice(**told["synthesiser"]),
        detector=PluginChoice(**told["detector"]),
        wake_words={name: PluginChoice(**each) for name, each in told["wake_words"].items()},
        language=told["language"],
        slot_wait_s=told.get("slot_wait_s", SLOT_WAIT_S),
    )
