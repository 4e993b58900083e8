"""Word error rate of the default recogniser: `python -m bench.wer`.

Starts the real hub, core and speech worker, teaches the worker the grammar that
core's skills make (never the transcripts), and has it hear the corpus as the
gateway would send it. `held_out` is the figure to quote; `tuning` holds the
sentences on which the recogniser's bounds and the extra phrases were chosen, so
it flatters them (needs flite).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.children import skills, speech_worker
from bench.corpus.make import speak
from bench.corpus.sentences import FOLDER, GROUPS, Group, Sentence, SetName, sentences
from ovos_bridge.brain import SkillsBrain
from ovos_bridge.speech.client import SpeechClient
from realtime.engine import (
    RecognitionFailed,
    RecognitionReport,
    RecognitionRequest,
    TranscriptFinal,
)
from realtime.media.resample import Resampler

CANONICAL_HZ = 24_000
LEAD_MS, TAIL_MS = 300, 200
"""Silence around the words: the default prefix padding, and the window that ends a turn."""

MATCH_TIMEOUT_S = 5.0
FALLBACK = "ovos.skills.fallback."


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one sentence."""

    sentence: Sentence
    text: str
    by_grammar: bool
    """The text is a phrase of the grammar, whichever search it came from."""

    @property
    def errors(self) -> int:
        """Words to insert, delete or change."""
        return word_errors(self.sentence.text, self.text)


@dataclass(frozen=True, slots=True)
class Figures:
    """One group's result."""

    sentences: int
    words: int
    errors: int
    word_error_rate: float
    exact: int
    """Sentences without an error."""
    in_grammar: int
    """Sentences that the grammar has word for word."""
    wrong_phrases: int
    """Sentences taken for some other phrase of the grammar: a wrong skill may answer."""
    mislabelled: int
    """Sentences whose group core contradicts today."""


def word_errors(said: str, heard: str) -> int:
    """Return the edit distance in words."""
    row = list(range(len(heard.split()) + 1))
    for place, word in enumerate(said.split(), 1):
        before, row[0] = row[0], place
        for column, other in enumerate(heard.split(), 1):
            change = before + (word != other)
            before = row[column]
            row[column] = min(before + 1, row[column - 1] + 1, change)
    return row[-1]


def canonical(path: Path) -> bytes:
    """Return a recording as canonical audio with silence around it."""
    with wave.open(str(path), "rb") as file:
        up = Resampler(file.getframerate(), CANONICAL_HZ)
        audio = up.process(file.readframes(file.getnframes())) + up.flush()
    return _silence(LEAD_MS) + audio + _silence(TAIL_MS)


def _silence(duration_ms: int) -> bytes:
    return bytes(2 * CANONICAL_HZ * duration_ms // 1000)


class Unheard(Exception):
    """The recogniser failed, which is no word error."""


async def hear(client: SpeechClient, name: str, audio: bytes) -> str:
    """Return the transcript of a recording.

    Raises:
        Unheard: the recogniser failed.
    """
    ended: asyncio.Future[RecognitionReport] = asyncio.get_running_loop().create_future()

    def take(report: RecognitionReport) -> None:
        if isinstance(report, TranscriptFinal | RecognitionFailed):
            ended.set_result(report)

    stream = client.recogniser.open(RecognitionRequest(utterance_id=name), take)
    stream.feed(audio)
    stream.commit()
    report = await ended
    if isinstance(report, TranscriptFinal):
        return report.text
    raise Unheard(f"{name}: {report}")


async def understood(brain: SkillsBrain, text: str) -> bool:
    """Say whether a skill, and not the fallback, would answer."""
    reply = await brain.bus.request(
        "intent.service.intent.get",
        "intent.service.intent.reply",
        timeout_s=MATCH_TIMEOUT_S,
        data={"utterance": text, "lang": "en-US"},
    )
    intent = reply.data.get("intent")
    return intent is not None and not str(intent.get("intent_name")).startswith(FALLBACK)


def figures(
    group: Group, heard: Sequence[Heard], phrases: frozenset[str], known: set[str]
) -> Figures:
    """Sum a group up; `known` are the sentences that core understands."""
    mine = [h for h in heard if h.sentence.group == group]
    words = sum(len(h.sentence.text.split()) for h in mine)
    errors = sum(h.errors for h in mine)
    return Figures(
        sentences=len(mine),
        words=words,
        errors=errors,
        word_error_rate=round(errors / words, 3),
        exact=sum(h.errors == 0 for h in mine),
        in_grammar=sum(h.sentence.text in phrases for h in mine),
        wrong_phrases=sum(h.by_grammar and h.errors > 0 for h in mine),
        mislabelled=sum((h.sentence.text in known) != (group == "known") for h in mine),
    )


async def measure(of_set: SetName) -> tuple[dict[Group, Figures], list[Heard]]:
    """Hear a set of the corpus and return the figures of both groups, and each sentence."""
    every = sentences(of_set)
    async with skills() as brain:
        phrases = frozenset(await brain.phrases())
        known = {s.text for s in every if await understood(brain, s.text)}
    heard: list[Heard] = []
    async with speech_worker() as client:
        await client.teach(sorted(phrases))
        with tempfile.TemporaryDirectory() as folder:
            for sentence in every:
                path = sentence.path(FOLDER)
                if not path.exists():
                    path = speak(sentence, Path(folder))
                text = await hear(client, sentence.name, canonical(path))
                heard.append(Heard(sentence, text, text in phrases))
    return {group: figures(group, heard, phrases, known) for group in GROUPS}, heard


def main() -> None:
    """Print the figures; `--json` for programs, `--each` with every sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=("held_out", "tuning"), default="held_out")
    parser.add_argument("--each", action="store_true", help="print every sentence")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    groups, heard = asyncio.run(measure(options.set))
    if options.each:
        for each in heard:
            mark = "=" if not each.errors else "P" if each.by_grammar else "x"
            print(f"{mark} {each.sentence.text} -> {each.text}")
    if options.json:
        print(json.dumps({"set": options.set, **{g: asdict(f) for g, f in groups.items()}}))
        return
    for group, found in groups.items():
        print(
            f"{options.set} {group}: WER {found.word_error_rate:.3f} "
            f"({found.errors} of {found.words} words), {found.exact} of {found.sentences} exact, "
            f"{found.in_grammar} in the grammar, {found.wrong_phrases} taken for another phrase, "
            f"{found.mislabelled} mislabelled"
        )


if __name__ == "__main__":
    main()
