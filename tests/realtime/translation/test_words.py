"""What a translation session writes, asks of the model and has spoken."""

from __future__ import annotations

from realtime.session import effects as fx
from realtime.session.inputs import EndReason, Shutdown
from tests.realtime.translation.scripts import SOURCE, TARGET, does, set_up, stretch, translated
from tests.realtime.translation.stage import TranslationStage


class TestWords:
    """Transcripts of both languages."""

    def test_source_is_told_only_with_transcription(self) -> None:
        """Without it the translation runs all the same (CONTRACT 13)."""
        stage = translated(TranslationStage())
        assert not stage.events(SOURCE)
        assert stage.text(TARGET) == "Hola."

    def test_pieces_join_to_the_text(self) -> None:
        """Deltas are append-only, and clients put nothing between them."""
        stage = TranslationStage()
        set_up(stage)
        stage.hear(1_000, voiced=True)
        does(stage, "transcribe", delta=" hello")
        does(stage, "transcribe", delta=" there ")
        stage.hear(600, voiced=False)
        does(stage, "transcript", text="hello there friend")
        stretch(stage)
        does(stage, "transcript", text="again")
        assert stage.text(SOURCE) == "hello there friend again"
        assert stage.of(fx.OpenRecognition)[0].request.partials

    def test_words_keep_the_order_of_speech(self) -> None:
        """A later stretch that is recognised first waits."""
        stage = TranslationStage()
        set_up(stage)
        stretch(stage)
        stretch(stage)
        does(stage, "transcript", stretch=2, text="two")
        assert not stage.events(SOURCE)
        does(stage, "transcript", stretch=1, text="one")
        assert stage.text(SOURCE) == "one two"
        asked = stage.of(fx.StartBrain)[0].request
        assert asked.items[-1].text == "one"

    def test_japanese_sentences_stand_without_a_space(self) -> None:
        """A language that writes none gets none."""
        stage = TranslationStage()
        stage.client("session.update", session={"audio": {"output": {"language": "ja"}}})
        for text in ("一。", "二。"):
            stretch(stage)
            does(stage, "transcript", text="x")
            does(stage, "say", text=text)
            does(stage, "finish")
        assert stage.text(TARGET) == "一。二。"

    def test_stretch_without_words_is_not_translated(self) -> None:
        """A cough."""
        stage = TranslationStage()
        set_up(stage)
        stretch(stage)
        does(stage, "transcript", text=" ")
        assert not stage.of(fx.StartBrain)
        assert not stage.events(SOURCE)


class TestTranslations:
    """One at a time, in order, asked for strictly."""

    def test_model_is_told_the_language_and_what_came_before(self) -> None:
        """Sentences go on: the last translations are read, only the last words translated."""
        stage = translated(TranslationStage())
        stage.client("session.update", session={"audio": {"output": {"language": "pt-BR"}}})
        stretch(stage)
        does(stage, "transcript", text="how are you")
        request = stage.of(fx.StartBrain)[-1].request
        assert "Portuguese (pt-BR)" in request.instructions
        assert [(item.role, item.text) for item in request.items] == [
            ("user", "hello there"), ("assistant", "Hola."), ("user", "how are you"),
        ]  # fmt: skip
        assert not request.tools

    def test_words_that_come_meanwhile_are_translated_together(self) -> None:
        """So that a slow model catches up."""
        stage = TranslationStage()
        for text in ("one", "two", "three"):
            stretch(stage)
            does(stage, "transcript", text=text)
        assert len(stage.of(fx.StartBrain)) == 1
        does(stage, "say", text="Uno.")
        does(stage, "finish")
        assert stage.of(fx.StartBrain)[1].request.items[-1].text == "two three"

    def test_sentences_are_spoken_in_the_target_language(self) -> None:
        """One by one, before the translation is whole."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="x")
        does(stage, "say", text="Hola", complete=False)
        assert not stage.of(fx.Speak)
        does(stage, "say", text=". ", complete=True)
        (asked,) = stage.of(fx.Speak)
        assert (asked.request.text, asked.request.language) == ("Hola.", "es")

    def test_voice_hurries_while_it_is_far_behind(self) -> None:
        """A translation that is longer than its source must not fall behind for ever."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="x")
        does(stage, "say", text="One.")
        does(stage, "speak", ms=7_000)
        does(stage, "say", text="Two.")
        assert [effect.request.speed for effect in stage.of(fx.Speak)] == [1.0, 1.25]

    def test_speech_is_synthesised_no_further_ahead_than_20_s(self) -> None:
        """Audio that nobody hears yet is not piled up."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="x")
        for number in range(5):
            does(stage, "say", text=f"{number}.")
        assert len(stage.of(fx.Speak)) == 2
        does(stage, "speak", ms=25_000)
        does(stage, "speech_end")
        assert len(stage.of(fx.Speak)) == 2
        stage.wait(6_000)
        assert len(stage.of(fx.Speak)) == 3

    def test_usage_is_booked_once_it_is_spoken(self) -> None:
        """Tokens by the model's count, audio by its length."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="hello")
        does(stage, "say", text="Hola.")
        does(stage, "finish", usage={"input_text_tokens": 50, "output_text_tokens": 3})
        assert not stage.of(fx.RecordUsage)
        does(stage, "speak", ms=500)
        does(stage, "speech_end")
        (booked,) = stage.of(fx.RecordUsage)
        assert (booked.status, booked.estimated) == ("completed", False)
        assert booked.usage.input_token_details.text_tokens == 50
        assert 14 <= booked.usage.input_token_details.audio_tokens <= 16
        assert booked.usage.output_token_details.audio_tokens == 10
        assert booked.usage.output_token_details.text_tokens == 3

    def test_end_in_the_middle_settles_every_reservation(self) -> None:
        """What was held is given back or charged, and the model is told to stop."""
        stage = TranslationStage()
        stretch(stage)
        does(stage, "transcript", text="one")
        does(stage, "say", text="Uno.")
        does(stage, "finish")
        stretch(stage)
        does(stage, "transcript", text="two")
        stage.give(Shutdown(EndReason.SERVER_SHUTDOWN))
        held = {effect.response_id for effect in stage.of(fx.ReserveTokens)}
        booked = {effect.response_id: effect.status for effect in stage.of(fx.RecordUsage)}
        assert booked.keys() == held
        assert sorted(booked.values()) == ["cancelled", "completed"]
        assert len(stage.of(fx.CancelBrain)) == 1
