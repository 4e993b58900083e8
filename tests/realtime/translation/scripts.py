"""What tests of a translation session say to its stage, in their words."""

from __future__ import annotations

from typing import Any

from tests.realtime.translation.stage import TranslationStage

SOURCE, TARGET = "session.input_transcript.delta", "session.output_transcript.delta"
AUDIO = "session.output_audio.delta"
FAULT = {"code": "model_unavailable", "message": "The model cannot be reached."}


def does(stage: TranslationStage, what: str, **line: Any) -> None:
    """Do one thing of a script."""
    stage.act({"does": what, **line})


def stretch(stage: TranslationStage, ms: int = 1_000) -> None:
    """Say something and pause."""
    stage.hear(ms, voiced=True)
    stage.hear(600, voiced=False)


def set_up(stage: TranslationStage, **output: Any) -> None:
    """Ask for the words of the source, and for what else the output is to be."""
    audio: dict[str, Any] = {"input": {"transcription": {"model": "whisper-1"}}}
    if output:
        audio["output"] = output
    stage.client("session.update", session={"audio": audio})


def translated(stage: TranslationStage) -> TranslationStage:
    """Bring a session so far that one sentence is asked of the voice."""
    stretch(stage)
    does(stage, "transcript", text="hello there")
    does(stage, "say", text="Hola.")
    does(stage, "finish")
    return stage


def spoken(stage: TranslationStage) -> TranslationStage:
    """Bring it so far that the sentence is spoken."""
    translated(stage)
    does(stage, "speak", ms=500)
    does(stage, "speech_end")
    return stage
