"""Where a translation session cuts speech, and how much of it is recognised at a time."""

from __future__ import annotations

from realtime.engine import DetectionLost, EngineFault
from realtime.session import effects as fx
from realtime.translation.limits import TranslationLimits
from tests.realtime.translation.scripts import does, stretch
from tests.realtime.translation.stage import SAMPLES_PER_MS, TranslationStage


class TestStretches:
    """Where speech is cut."""

    def test_pause_ends_a_stretch(self) -> None:
        """400 ms of silence; the padding before it is part of it."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=False)
        stretch(stage)
        (opened,) = stage.of(fx.OpenRecognition)
        assert opened.start < 1_000 * SAMPLES_PER_MS
        (committed,) = stage.of(fx.CommitRecognition)
        assert 2_300 < committed.upto / SAMPLES_PER_MS < 2_500

    def test_short_pause_ends_only_a_long_stretch(self) -> None:
        """A breath after three seconds is enough; what follows is the next stretch."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=True)
        stage.hear(200, voiced=False)
        stage.hear(3_000, voiced=True)
        assert not stage.of(fx.CommitRecognition)
        assert stage.of(fx.AbandonRecognition)
        stage.hear(200, voiced=False)
        assert len(stage.of(fx.CommitRecognition)) == 1
        stage.hear(1_000, voiced=True)
        first, second = stage.of(fx.OpenRecognition)
        assert second.start >= stage.of(fx.CommitRecognition)[0].upto
        assert second.start > first.start

    def test_speech_without_a_pause_is_cut_and_goes_on(self) -> None:
        """The translation streams while the speaker goes on; no sample is lost between."""
        stage = TranslationStage()
        stage.hear(20_000, voiced=True)
        opened, committed = stage.of(fx.OpenRecognition), stage.of(fx.CommitRecognition)
        assert len(committed) == 2
        assert [one.start for one in opened[1:]] == [one.upto for one in committed]
        lengths = [end.upto - begin.start for begin, end in zip(opened, committed, strict=False)]
        assert lengths == [8_000 * SAMPLES_PER_MS] * 2

    def test_without_voice_activity_time_cuts(self) -> None:
        """A gateway that only has endpoints translates too."""
        stage = TranslationStage(listens=False)
        stage.hear(17_000)
        assert not stage.of(fx.StartDetection)
        assert [one.upto for one in stage.of(fx.CommitRecognition)] == [
            8_000 * SAMPLES_PER_MS, 16_000 * SAMPLES_PER_MS,
        ]  # fmt: skip

    def test_long_silence_is_forgotten(self) -> None:
        """The ring does not grow while nobody speaks."""
        stage = TranslationStage()
        stage.hear(30_000, voiced=False)
        assert stage.of(fx.ForgetAudio)[-1].before > 20_000 * SAMPLES_PER_MS

    def test_lost_voice_activity_ends_the_stretch(self) -> None:
        """What was said so far is translated."""
        stage = TranslationStage()
        stage.hear(1_000, voiced=True)
        stage.give(DetectionLost(EngineFault("speech_unavailable", "Gone.")))
        assert len(stage.of(fx.CommitRecognition)) == 1


class TestBursts:
    """A source that comes faster than it is understood."""

    def test_no_more_than_four_stretches_are_recognised_at_a_time(self) -> None:
        """The others wait in the ring, which keeps their audio, and are recognised in order."""
        stage = TranslationStage(listens=False)
        stage.hear(80_000, at_once=True)
        assert len(stage.of(fx.OpenRecognition)) == 4
        assert stage.of(fx.ForgetAudio)[-1].before == 32_000 * SAMPLES_PER_MS
        for number in range(1, 11):
            does(stage, "transcript", stretch=number, text=str(number))
        opened = [effect.start // SAMPLES_PER_MS for effect in stage.of(fx.OpenRecognition)]
        assert opened == [8_000 * number for number in range(10)]
        committed = [effect.upto // SAMPLES_PER_MS for effect in stage.of(fx.CommitRecognition)]
        assert committed == [8_000 * (number + 1) for number in range(10)]
        assert stage.of(fx.ForgetAudio)[-1].before == 80_000 * SAMPLES_PER_MS

    def test_stretch_that_waits_while_it_grows_is_recognised_whole(self) -> None:
        """Its audio goes on once it has its place."""
        stage = TranslationStage(limits=TranslationLimits(most_recognitions=1))
        stretch(stage)
        stage.hear(1_000, voiced=True)
        assert len(stage.of(fx.OpenRecognition)) == 1
        does(stage, "transcript", stretch=1, text="one")
        stage.hear(1_000, voiced=False)
        assert len(stage.of(fx.CommitRecognition)) == 2

    def test_close_lasts_as_long_as_something_comes_of_it(self) -> None:
        """A file that is sent at once is translated whole, though that takes more than 30 s."""
        stage = TranslationStage(listens=False)
        stage.hear(160_000, at_once=True)
        stage.client("session.close")
        for number in range(1, 20):
            stage.wait(20_000)
            does(stage, "transcript", stretch=number, text="")
        assert not stage.machine.closed
        does(stage, "transcript", stretch=20, text="")
        assert stage.events("session.closed")
