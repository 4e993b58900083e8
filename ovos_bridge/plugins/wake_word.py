"""`micro-wake-word`: small models that come with their package, as an OVOS wake word plugin."""

from __future__ import annotations

from typing import Any

from ovos_plugin_manager.templates.hotwords import HotWordEngine
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model


class MicroWakeWordEngine(HotWordEngine):  # type: ignore[misc]  # OVOS is not typed
    """Listens for `okay_nabu`, `hey_jarvis`, `hey_mycroft` or `alexa` in 16 kHz audio.

    Options: `model`, else the key phrase names it; `model_path`, the JSON file of a model
    from elsewhere.
    """

    def __init__(self, key_phrase: str, config: dict[str, Any] | None = None) -> None:
        super().__init__(key_phrase, config or {"model": key_phrase})
        path = self.config.get("model_path")
        name = str(self.config.get("model") or key_phrase).lower().replace(" ", "_")
        self._word = (
            MicroWakeWord.from_config(path) if path else MicroWakeWord.from_builtin(Model(name))
        )
        self._features = MicroWakeWordFeatures()
        self._found = False

    def update(self, chunk: bytes) -> None:
        """Listen to more audio."""
        for features in self._features.process_streaming(chunk):
            self._found = self._word.process_streaming(features) is True or self._found

    def found_wake_word(self) -> bool:
        """Say whether it was heard since the last time it was asked."""
        found, self._found = self._found, False
        if found:
            self.reset()
        return found

    def reset(self) -> None:
        """Forget what was heard."""
        self._word.reset()
        self._found = False
