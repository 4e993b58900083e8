"""A caller who speaks over an answer, where a media leg tells what was heard (DECISIONS 1.6).

Invariant: an answer that was playing is closed out once it fell silent, so that it is cut
where the caller stopped hearing it; a session without a leg closes it out at once.
"""

from __future__ import annotations

from realtime.errors import BufferNotHere
from realtime.session.answers import Answers
from realtime.session.inputs import PlaybackCleared
from realtime.session.playback import Playback


class Interruption:
    """Carries out interruptions and `output_audio_buffer.clear`."""

    def __init__(self, playback: Playback, answers: Answers) -> None:
        self._playback = playback
        self._answers = answers
        self._to_clear = 0
        """Responses that must fall silent before the interruption is carried out."""

    def begin(self) -> None:
        """First fall silent, then close the answer out."""
        self._to_clear = self._playback.clear(beside=False)
        if not self._to_clear:
            self._answers.interrupt()

    def cleared(self, given: PlaybackCleared) -> None:
        """The leg fell silent and says what was heard."""
        self._playback.cleared(given.response_id, given.heard_ms)
        if self._to_clear:
            self._to_clear -= 1
            if not self._to_clear:
                self._answers.interrupt()

    def clear(self) -> None:
        """A client wants silence.

        Raises:
            BufferNotHere: the session has no leg.
        """
        if not self._playback.has_leg:
            raise BufferNotHere
        self._playback.clear(beside=True)
