"""Our plugins through OVOS's own factories, and anybody's plugins through the worker."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.contracts.synthesiser import Speaking
from ovos_bridge.launch import environment
from ovos_bridge.plugins.install import install
from tests.ovos_bridge.speech.test_recognition import heard
from tests.ovos_bridge.speech.workers import QUESTION, QUESTION_TEXT, ROOT, Worker, linked

pytestmark = pytest.mark.real

FACTORIES = """
import json, sys, wave
import numpy as np
from ovos_plugin_manager.stt import OVOSSTTFactory
from ovos_plugin_manager.tts import OVOSTTSFactory
from ovos_plugin_manager.vad import OVOSVADFactory
from ovos_plugin_manager.utils.audio import AudioData
from realtime.media.resample import Resampler
question, target = sys.argv[1:]
with wave.open(question) as file:
    audio = file.readframes(file.getnframes())
down = Resampler(24000, 16000)
audio = bytes(9600) + down.process(audio) + down.flush() + bytes(9600)
stt = OVOSSTTFactory.create({"module": "sphinx-stream", "lang": "en-US",
                             "sphinx-stream": {"phrases": ["what time is it"]}})
tts = OVOSTTSFactory.create({"module": "espeak-stream", "lang": "en-US"})
vad = OVOSVADFactory.create({"module": "silero-batched"})
path, _ = tts.get_tts("good morning", target)
with wave.open(str(path)) as file:
    spoken = file.getnframes() / file.getframerate()
speech = [not vad.is_silence(audio[at:at + 960]) for at in range(0, len(audio), 960)]
vad.reset()
silence = [not vad.is_silence(bytes(960)) for _ in range(50)]
print(json.dumps({"heard": stt.execute(AudioData(audio, 16000, 2)), "spoken_s": spoken,
                  "speech": any(speech), "silence": any(silence)}))
"""

FOREIGN = """
import wave
from ovos_plugin_manager.templates.stt import STT
from ovos_plugin_manager.templates.tts import TTS
class ForeignSTT(STT):
    def execute(self, audio, language=None):
        return f"{len(audio.get_raw_data()) // 3200} tenths"
    @property
    def available_languages(self):
        return {"en-US"}
class ForeignTTS(TTS):
    def get_tts(self, sentence, wav_file, lang=None, voice=None):
        if "fail" in sentence:
            raise RuntimeError("no")
        with wave.open(wav_file, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(b"\\x00\\x10" * 16000)
        return wav_file, None
    @property
    def available_languages(self):
        return {"en-US"}
"""


def test_ovos_factories_make_our_plugins_and_they_work(tmp_path: Path, speech_python: Path) -> None:
    """Inside any OVOS our plugins hear, speak and tell speech from silence."""
    state = tmp_path / "ovos"
    state.mkdir()
    env = environment.variables(state, os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [str(speech_python), "-c", FACTORIES, str(QUESTION), str(tmp_path / "out.wav")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("spoken_s") > 0.4
    assert told == {"heard": QUESTION_TEXT, "speech": True, "silence": False}


def test_entry_points_installed_twice_are_the_same(tmp_path: Path) -> None:
    """Installing is idempotent and touches nothing but its own files."""
    install(tmp_path, ROOT)
    first = {p: p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    install(tmp_path, ROOT)
    assert {p: p.read_text() for p in tmp_path.rglob("*") if p.is_file()} == first
    assert all(p.relative_to(tmp_path).parts[0].startswith("voiceengine_plugins") for p in first)


@pytest.fixture
def foreign_worker(
    tmp_path: Path, speech_python: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Worker]:
    """A worker with a recogniser and a voice that only know whole utterances and files."""
    site = tmp_path / "site"
    info = site / "foreign-1.dist-info"
    info.mkdir(parents=True)
    (site / "foreign_speech.py").write_text(FOREIGN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[opm.stt]\nforeign-stt = foreign_speech:ForeignSTT\n"
        "[opm.tts]\nforeign-tts = foreign_speech:ForeignTTS\n"
    )
    worker = Worker(tmp_path, speech_python, ["--stt", "foreign-stt", "--tts", "foreign-tts"])
    worker.add_path(site)
    worker.start()
    yield worker
    worker.stop()


async def test_foreign_plugins_hear_and_speak(foreign_worker: Worker) -> None:
    """Any OVOS plugin works as it is, whatever rate its files have; its faults stay its own."""
    async with linked(foreign_worker.socket) as (client, link):
        await link.wait(connected=True)
        await client.teach(["a grammar it has no use for"])
        assert await heard(client, bytes(48_000)) == "11 tenths"  # with the silence put behind
        speaking = Speaking(client.synthesiser)
        speaking.say("seg_1")
        speaking.say("seg_2", "please fail")
        speaking.say("seg_3")
        await speaking.until(lambda: len(speaking.ends) == 3)
        assert [type(end).__name__ for end in speaking.ends] == [
            "SpeechFinished",
            "SpeechFailed",
            "SpeechFinished",
        ]
        assert abs(len(speaking.audio("seg_1")) - 48_000) < 200
        assert speaking.audio("seg_3") == speaking.audio("seg_1")
