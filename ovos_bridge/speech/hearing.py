"""One recogniser that hears one utterance from its beginning, in a slot's thread."""

from __future__ import annotations

from ovos_bridge.speech.streaming import StreamingRecogniser, UtteranceRecogniser
from ovos_bridge.speech.utterance import Utterance
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
RATE_HZ = 16_000

TRAILING_SILENCE = bytes(RATE_HZ // 10 * 2)
"""Lets the last word end, where the caller stopped sending with it."""

ENOUGH_SILENCE_BYTES = CANONICAL_HZ * 6 // 100 * 2
"""Of the caller's own silence after a pause was told of, which is some silence already;
hearing more of it (30 ms of work) would only delay the answer."""

LOOK_BYTES = CANONICAL_HZ * 24 // 100 * 2
"""Audio between two looks at the words, where they are wanted while they are spoken."""

BYTES_PER_FRAME = CANONICAL_HZ // 100 * 2


class Hearing:
    """What one recogniser makes of one utterance; `place` is how much it heard."""

    def __init__(self, recogniser: UtteranceRecogniser, utterance: Utterance) -> None:
        self._recogniser = recogniser
        self._streams = recogniser if isinstance(recogniser, StreamingRecogniser) else None
        self._utterance = utterance
        self._down = Resampler(CANONICAL_HZ, RATE_HZ)
        self._looked = 0
        self.place = 0

    def start(self) -> None:
        """Begin."""
        if self._streams is not None and self._utterance.wishes.logprobs:
            self._streams.want_logprobs()
        self._recogniser.start(self._utterance.language)

    def hear(self, audio: bytes) -> None:
        """Take the next canonical audio; send the words that are sure by then, if wanted."""
        self._recogniser.hear(self._down.process(audio))
        self.place += len(audio)
        if self._streams is None or not self._utterance.wishes.partials:
            return
        if self.place - self._looked >= LOOK_BYTES:
            self._looked = self.place
            frames = self.place // BYTES_PER_FRAME
            self._utterance.tell(self._utterance.stable.observe(self._streams.words(), frames))

    def judge(self) -> None:
        """Report what was understood so far."""
        streams = self._streams
        self._utterance.judged(None if streams is None else streams.understood())

    def finish(self) -> None:
        """End and report the words."""
        self._recogniser.hear(self._down.flush() + (b"" if self._trails_off else TRAILING_SILENCE))
        text = self._recogniser.finish()
        streams, wishes = self._streams, self._utterance.wishes
        words = streams.words() if streams and (wishes.partials or wishes.logprobs) else ()
        whole = self._utterance.stable.complete(text, words)
        scored = wishes.logprobs and whole == " ".join(word.text for word in words)
        self._utterance.answer(whole, words if scored else ())

    @property
    def _trails_off(self) -> bool:
        """The audio itself ends in enough silence."""
        silent_from = self._utterance.silent_from
        return silent_from is not None and self.place - silent_from >= ENOUGH_SILENCE_BYTES
