"""Several recognisers by name in one worker, with options and without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.contracts.recogniser import Hearing
from ovos_bridge.speech.choices import PluginChoice, SpeechChoices
from realtime.engine import (
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    TranscriptFinal,
)
from realtime.ports import Recogniser, RecognitionStream
from tests.ovos_bridge.speech.test_plugins import with_foreign_plugins
from tests.ovos_bridge.speech.workers import PHRASES, QUESTION_TEXT, Worker, linked

pytestmark = pytest.mark.real

CHOICES = SpeechChoices(
    recognisers={
        "default": PluginChoice("sphinx-stream", slots=1),
        "tenths": PluginChoice("foreign-stt", {"unit": "tenths of a second"}),
        "broken": PluginChoice("broken-stt"),
        "absent": PluginChoice("no-such-stt"),
    },
    synthesiser=PluginChoice("foreign-tts"),
    language="de-DE",
)


class InLanguage:
    """A recogniser whose utterances are all in one language."""

    def __init__(self, recogniser: Recogniser, language: str | None) -> None:
        self._recogniser = recogniser
        self._language = language

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> RecognitionStream:
        """Start an utterance."""
        return self._recogniser.open(replace(request, language=self._language), sink)


@pytest.fixture
def named_worker(tmp_path: Path, speech_python: Path) -> Iterator[Worker]:
    """A worker with four recognisers, two of which do not work."""
    config = tmp_path / "speech.json"
    config.write_text(CHOICES.dumps())
    worker = with_foreign_plugins(tmp_path, speech_python, ["--config", str(config)])
    worker.start()
    yield worker
    worker.stop()


async def test_recognisers_hear_by_name_and_broken_ones_say_so(
    named_worker: Worker, question: bytes
) -> None:
    """Each name hears by its own plugin with its own options; one that fails costs itself only."""
    async with linked(named_worker.socket) as (client, link):
        await link.wait(connected=True)
        await client.teach(PHRASES)

        async def heard_by(name: str, language: str | None = None) -> object:
            hearing = Hearing(InLanguage(client.recogniser_named(name), language))
            hearing.stream.feed(question)
            await hearing.end()
            return hearing.reports[-1]

        expected = TranscriptFinal("item_contract", QUESTION_TEXT)
        assert await heard_by("default") == expected
        foreign = await heard_by("tenths", "fr-FR")
        assert isinstance(foreign, TranscriptFinal)
        assert foreign.text.endswith("tenths of a second in fr-FR, else de-DE")
        async with asyncio.timeout(30):
            while "recogniser broken does not work" not in named_worker.log.read_text():
                await asyncio.sleep(0.05)
        for name in ("broken", "absent", "never-named"):
            failed = await heard_by(name)
            assert isinstance(failed, RecognitionFailed), name
            assert failed.fault.code == "recogniser_unavailable"
        assert await heard_by("default") == expected
