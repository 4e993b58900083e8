"""Several recognisers by name, each with slots of its own.

The default one must work before the worker is found. The others load behind it,
so that a model which takes a minute, or a plugin that does not work, keeps nobody
else waiting; what is said to one that does not work fails and says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

from ovos_bridge.speech.choices import DEFAULT
from ovos_bridge.speech.recognising import Slots
from ovos_bridge.speech.utterance import Utterance

_log = logging.getLogger(__name__)


class Recognisers:
    """All slots of the worker; called from the loop's thread, but for `start`."""

    def __init__(self, slots: Mapping[str, Slots]) -> None:
        """`slots` has an entry `DEFAULT`."""
        self._slots = dict(slots)
        self._broken: set[str] = set()

    def start(self) -> None:
        """Start the default recogniser and wait for it, then the others; blocking.

        Raises:
            Exception: whatever the default recogniser raises when it is made.
        """
        self._slots[DEFAULT].start()
        for name in self._slots:
            if name != DEFAULT:
                title = f"recogniser-{name}"
                threading.Thread(target=self._load, args=(name,), name=title, daemon=True).start()

    def _load(self, name: str) -> None:
        try:
            self._slots[name].start()
        except Exception:  # whatever a plugin raises costs this recogniser only
            self._broken.add(name)
            _log.exception("recogniser %s does not work", name)

    def open(self, utterance: Utterance, name: str) -> Slots | None:
        """Hear an utterance by a recogniser; None when there is none, and the utterance fails."""
        slots = self._slots.get(name)
        if slots is None or name in self._broken:
            message = "The recogniser of this transcription model does not work."
            utterance.loop.call_soon(utterance.fail, "recogniser_unavailable", message)
            return None
        slots.open(utterance)
        return slots

    def set_phrases(self, phrases: Iterable[str], learned: Callable[[], None]) -> None:
        """Use another grammar; `learned` is called, from any thread, once the default one does."""
        phrases = tuple(phrases)
        for name, slots in self._slots.items():
            slots.set_phrases(phrases, learned if name == DEFAULT else _nobody_waits)


def _nobody_waits() -> None:
    """A recogniser that loads late learns when it can."""
