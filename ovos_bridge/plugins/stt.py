"""`sphinx-stream`: pocketsphinx with a grammar first, as an OVOS STT plugin."""

from __future__ import annotations

from typing import Any

from ovos_plugin_manager.templates.stt import STT

from ovos_bridge.speech.sphinx import RATE_HZ, SphinxRecogniser


class SphinxStreamSTT(STT):  # type: ignore[misc]  # OVOS is not typed
    """Whole utterances for OVOS; `streaming_recogniser` for the worker."""

    streaming_recogniser = SphinxRecogniser

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__(config)
        self._recogniser = SphinxRecogniser()
        self._recogniser.set_phrases((config or {}).get("phrases", ()))

    def execute(self, audio: Any, language: str | None = None) -> str:
        """Return the words of a recording (OVOS `AudioData`)."""
        self._recogniser.start()
        self._recogniser.hear(audio.get_raw_data(convert_rate=RATE_HZ, convert_width=2))
        return self._recogniser.finish()

    @property
    def available_languages(self) -> set[str]:
        """The model in the wheel is English."""
        return {"en-US"}
