"""The audio of a translation session: its frames, its pace, its clock."""

from __future__ import annotations

from itertools import pairwise

from realtime.translation.effects import SendTranslatedFrame
from realtime.translation.limits import FRAME_SAMPLES
from tests.realtime.translation.scripts import AUDIO, does, set_up, spoken, stretch, translated
from tests.realtime.translation.stage import SAMPLES_PER_MS, TranslationStage


class TestFrames:
    """Continuous audio of 200 ms frames (CONTRACT 13)."""

    def test_source_of_silence_is_answered_by_as_much_silence(self) -> None:
        """One frame of silence for each that was heard, in steps of 200 ms of the session."""
        stage = TranslationStage()
        stage.hear(2_000, voiced=False)
        assert stage.frames() == [0] * 9  # the last 32 ms are not judged yet
        assert [event["elapsed_ms"] for event in stage.events(AUDIO)] == [
            200 * (n + 1) for n in range(9)
        ]

    def test_short_appends_make_no_frame_before_they_make_200_ms(self) -> None:
        """Shorter chunks are buffered."""
        stage = TranslationStage(listens=False)
        stage.hear(180)
        assert not stage.frames()
        stage.hear(20)
        assert stage.frames() == [0]

    def test_source_faster_than_real_time_is_answered_at_the_pace(self) -> None:
        """A file that is sent at once does not come back as one heap of silence."""
        stage = TranslationStage(listens=False)
        stage.hear(60_000, at_once=True)
        assert len(stage.frames()) == 1
        stage.wait(1_001)
        assert len(stage.frames()) == 31
        stage.wait(20_000)
        assert len(stage.frames()) == 300

    def test_source_that_pauses_is_contiguous(self) -> None:
        """Nothing is sent for time in which nothing came."""
        stage = TranslationStage(listens=False)
        stage.hear(400)
        stage.wait(10_000)
        assert len(stage.frames()) == 2
        stage.hear(400)
        assert len(stage.frames()) == 4
        assert stage.events(AUDIO)[-1]["elapsed_ms"] == 800

    def test_speech_fills_frames_and_its_end_is_padded(self) -> None:
        """500 ms of speech are two frames and a half; the rest is silence, in every frame 200 ms."""
        stage = spoken(TranslationStage())
        stage.hear(2_000, voiced=False)
        full = [samples for samples in stage.frames() if samples]
        assert full == [FRAME_SAMPLES, FRAME_SAMPLES, 100 * SAMPLES_PER_MS]
        assert {len(event["delta"]) for event in stage.events(AUDIO)} == {12_800}

    def test_frame_waits_for_the_rest_of_a_word(self) -> None:
        """While more of a sentence is on its way no frame goes out with a hole in it."""
        stage = translated(TranslationStage())
        before = len(stage.frames())
        does(stage, "speak", ms=100)
        stage.hear(400, voiced=False)
        assert len(stage.frames()) == before
        does(stage, "speak", ms=100)
        assert stage.frames()[before] == FRAME_SAMPLES

    def test_speech_goes_on_in_real_time_though_the_source_stops(self) -> None:
        """What is translated already is heard."""
        stage = translated(TranslationStage())
        does(stage, "speak", ms=1_000)
        does(stage, "speech_end")
        heard = len([samples for samples in stage.frames() if samples])
        stage.wait(2_000)
        full = [samples for samples in stage.frames() if samples]
        assert heard <= 1
        assert sum(full) == 1_000 * SAMPLES_PER_MS


def test_elapsed_time_never_goes_back() -> None:
    """One clock for words and audio (CONTRACT 13: steps of 200 ms)."""
    stage = TranslationStage()
    set_up(stage)
    for text in ("one", "two"):
        stretch(stage)
        does(stage, "transcript", text=text)
        does(stage, "say", text=f"{text}!")
        does(stage, "finish")
        does(stage, "speak", ms=700)
        does(stage, "speech_end")
    stage.hear(2_000, voiced=False)
    times = [event["elapsed_ms"] for event in stage.sent if "elapsed_ms" in event]
    assert all(later >= earlier and later % 200 == 0 for earlier, later in pairwise(times))
    assert len(stage.of(SendTranslatedFrame)) == times[-1] // 200
