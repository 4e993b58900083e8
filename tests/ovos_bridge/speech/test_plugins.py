"""Our plugins through OVOS's own factories, and anybody's plugins through the worker."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conformance.contracts.synthesiser import Speaking
from conformance.contracts.voice_activity import Watching, check_voice_activity
from ovos_bridge.launch import environment
from ovos_bridge.plugins.caller_vad import MOST_CALLERS
from ovos_bridge.plugins.install import install
from realtime.engine import DetectionLost
from tests.ovos_bridge.speech.test_recognition import heard
from tests.ovos_bridge.speech.workers import (
    QUESTION,
    QUESTION_TEXT,
    ROOT,
    Worker,
    linked,
    silence,
)

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
import time
import wave
import numpy as np
from ovos_plugin_manager.templates.vad import VADEngine
from ovos_plugin_manager.templates.stt import STT
from ovos_plugin_manager.templates.tts import TTS
class ForeignSTT(STT):
    def execute(self, audio, language=None):
        length = f"{len(audio.get_raw_data()) // 3200} {self.config.get('unit', 'tenths')}"
        return f"{length} in {language}, else {self.lang}" if language else length
    @property
    def available_languages(self):
        return {"en-US"}
class ForeignVAD(VADEngine):
    def __init__(self, config=None):
        super().__init__(config)
        self.loud = 0
    def reset(self):
        self.loud = 0
    def is_silence(self, chunk):
        if len(chunk) != 960:
            raise RuntimeError("no frame of 30 ms")
        samples = np.frombuffer(chunk, dtype="<i2")
        if abs(samples.astype(int)).mean() > 20000:
            raise RuntimeError("cannot judge this")
        if 13000 < abs(samples.astype(int)).mean() < 15000:
            time.sleep(3600)
        self.loud = self.loud + 1 if abs(samples.astype(int)).max() > 500 else 0
        return self.loud < 3
class BrokenVAD(VADEngine):
    def is_silence(self, chunk):
        raise RuntimeError("no model")
class MuteTTS(TTS):
    def get_tts(self, sentence, wav_file, lang=None, voice=None):
        with wave.open(wav_file, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
        return wav_file, None
class BrokenSTT(STT):
    def __init__(self, config=None):
        raise RuntimeError("no model")
    def execute(self, audio, language=None):
        return ""
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


ENTRY_POINTS = """\
[opm.stt]
foreign-stt = foreign_speech:ForeignSTT
broken-stt = foreign_speech:BrokenSTT
[opm.tts]
foreign-tts = foreign_speech:ForeignTTS
mute-tts = foreign_speech:MuteTTS
[opm.VAD]
foreign-vad = foreign_speech:ForeignVAD
broken-vad = foreign_speech:BrokenVAD
"""


def with_foreign_plugins(folder: Path, python: Path, arguments: list[str]) -> Worker:
    """Return a worker, not started, that finds plugins which only know OVOS's interfaces."""
    site = folder / "site"
    info = site / "foreign-1.dist-info"
    info.mkdir(parents=True)
    (site / "foreign_speech.py").write_text(FOREIGN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    worker = Worker(folder, python, arguments)
    worker.add_path(site)
    return worker


@pytest.fixture
def foreign_worker(tmp_path: Path, speech_python: Path) -> Iterator[Worker]:
    """A worker with three plugins that were not made for it."""
    chosen = ["--stt", "foreign-stt", "--tts", "foreign-tts", "--vad", "foreign-vad"]
    worker = with_foreign_plugins(tmp_path, speech_python, chosen)
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


async def test_foreign_voice_activity_keeps_the_contract(
    foreign_worker: Worker, question: bytes
) -> None:
    """A plugin that remembers and says yes or no serves many callers, each for itself."""
    async with linked(foreign_worker.socket) as (client, link):
        await link.wait(connected=True)
        await check_voice_activity(client.detector, question)


async def test_voice_activity_that_fails_is_told_to_its_caller_only(
    foreign_worker: Worker, question: bytes
) -> None:
    """What a plugin raises is a loss for who was judged, whose audio passes as silence."""
    raising = np.full(48_000, 30_000, dtype="<i2").tobytes()
    async with linked(foreign_worker.socket) as (client, link):
        await link.wait(connected=True)
        well, ill = Watching(client.detector), Watching(client.detector)
        ill.feed(raising)
        well.feed(question)
        assert max(r.probability for r in await well.judged()) == 1.0
        await ill.judged()
        (lost,) = [r for r in ill.reports if isinstance(r, DetectionLost)]
        assert lost.fault.code == "detection_failed"
        ill.feed(question)
        await ill.judged()
        assert ill.found[-1].probability == 0.0
        assert not [r for r in well.reports if isinstance(r, DetectionLost)]


async def test_voice_activity_that_hangs_is_told_to_its_caller_only(
    foreign_worker: Worker, question: bytes
) -> None:
    """A plugin that does not come back costs its caller the detection, and nobody else's."""
    hanging = np.full(24_000, 14_000, dtype="<i2").tobytes()
    async with linked(foreign_worker.socket) as (client, link):
        await link.wait(connected=True)
        ill, well = Watching(client.detector), Watching(client.detector)
        ill.feed(hanging)
        well.feed(question)
        assert max(r.probability for r in await well.judged()) == 1.0
        await ill.judged()
        assert [r.fault.code for r in ill.reports if isinstance(r, DetectionLost)] == [
            "detection_failed"
        ]
        assert not [r for r in well.reports if isinstance(r, DetectionLost)]


async def test_callers_beyond_the_instances_are_told(
    foreign_worker: Worker, question: bytes
) -> None:
    """Instances are bounded; who gets none hears of it, and a place that is left is used."""
    async with linked(foreign_worker.socket) as (client, link):
        await link.wait(connected=True)
        callers = [Watching(client.detector) for _ in range(MOST_CALLERS)]
        for caller in callers:
            caller.feed(question)
        for caller in callers:
            await caller.judged()
            assert caller.loudest == 1.0
        beyond = Watching(client.detector)
        beyond.feed(question)
        await beyond.judged()
        assert [r for r in beyond.reports if isinstance(r, DetectionLost)]
        callers[0].stream.close()
        following = Watching(client.detector)
        following.feed(silence(1_000))
        await following.judged()
        assert following.loudest == 0.0  # reset: what another caller said is forgotten


@pytest.mark.parametrize(
    ("part", "plugin", "told"),
    [
        ("vad", "broken-vad", "cannot judge silence"),
        ("tts", "mute-tts", "made no sound"),
        ("stt", "broken-stt", "no model"),
        ("stt", "no-such-stt", "is not installed"),
    ],
)
def test_plugin_that_does_not_work_ends_the_worker_before_it_is_found(
    tmp_path: Path, speech_python: Path, part: str, plugin: str, told: str
) -> None:
    """Who finds the worker's socket finds parts that work; what does not is in the log."""
    worker = with_foreign_plugins(tmp_path, speech_python, [f"--{part}", plugin])
    worker.start()
    try:
        assert worker.ended() != 0
        assert told in worker.log.read_text()
        assert not Path(worker.socket).exists()
    finally:
        worker.stop()
