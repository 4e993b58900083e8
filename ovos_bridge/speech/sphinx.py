"""Streaming recognition by pocketsphinx: a grammar of known phrases first, the full model behind.

Three decoders hear each utterance: the grammar, the full model, and a loop of
phones as a yardstick. A grammar always answers something, so its phrase counts
only if it is whole, if its score per frame lies above what the other two reached
on the same sound (`LEAST_LEAD`), and if it is spelled somewhat like what the
full model heard (`MOST_UNLIKE`; a short phrase can pass a long sentence off as
noise). Both bounds were measured with `bench/wer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ovos_bridge.speech.phrases import phrase_graph

RATE_HZ = 16_000
FRAME_BYTES = RATE_HZ // 100 * 2
LEAST_LEAD = 0.0004
"""Least sum of (grammar - phones) and (grammar - full model), log score per 10 ms frame."""

MOST_UNLIKE = 0.6
"""Most letters to change, as a part of the longer text."""

STEP_BYTES = 3_200
MAX_PHRASES = 8_000

Decoded = tuple[str, float]


def _decoder(**settings: Any) -> Any:
    from pocketsphinx import Config, Decoder, get_model_path

    config = Config(
        hmm=get_model_path("en-us/en-us"),
        dict=get_model_path("en-us/cmudict-en-us.dict"),
        lm=None,
        loglevel="FATAL",
    )
    for name, value in settings.items():
        config[name] = value
    return Decoder(config)


def _full() -> Any:
    from pocketsphinx import get_model_path

    # Without its second and third pass the tail after the last frame falls from
    # about 80 to 16 ms, at the same word error rate on our corpus.
    return _decoder(lm=get_model_path("en-us/en-us.lm.bin"), fwdflat=False, bestpath=False)


def _phones() -> Any:
    from pocketsphinx import get_model_path

    decoder = _decoder()
    decoder.add_allphone_file("phones", get_model_path("en-us/en-us-phone.lm.bin"))
    decoder.activate_search("phones")
    return decoder


class SphinxRecogniser:
    """One recogniser: one utterance at a time, from one thread at a time."""

    def __init__(self) -> None:
        self._full = _full()
        self._yard = _phones()
        self._grammar: Any = None
        self._phrases: frozenset[str] = frozenset()
        self._started: list[Any] = []
        self._bytes = 0

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Use these phrases as the grammar, but for those with unknown words; return how many."""
        self._end()
        known = sorted({p for p in map(_plain, phrases) if p and self._spoken(p)})[:MAX_PHRASES]
        self._phrases = frozenset(known)
        if not known:
            self._grammar = None
            return 0
        grammar = _decoder()
        graph = phrase_graph(known)
        model = grammar.create_fsg("phrases", graph.start, graph.final, graph.edges)
        grammar.add_fsg("phrases", model)
        grammar.activate_search("phrases")
        self._grammar = grammar
        return len(known)

    def _spoken(self, phrase: str) -> bool:
        return all(self._full.lookup_word(word) for word in phrase.split())

    def _decoders(self) -> list[Any]:
        return [d for d in (self._grammar, self._full, self._yard) if d is not None]

    def start(self, language: str | None = None) -> None:
        """Begin an utterance; one that was not finished is void. The model knows English only."""
        self._end()
        self._bytes = 0
        for decoder in self._decoders():
            decoder.start_utt()
            self._started.append(decoder)

    def _end(self) -> None:
        while self._started:
            self._started.pop().end_utt()

    def hear(self, audio: bytes) -> None:
        """Take 16 kHz PCM of the utterance."""
        self._bytes += len(audio)
        for place in range(0, len(audio), STEP_BYTES):
            piece = audio[place : place + STEP_BYTES]
            for decoder in self._started:
                decoder.process_raw(piece)

    def finish(self) -> str:
        """End the utterance and return its words, "" for none."""
        # Before they are ended the searches hold back the frames they look
        # ahead, which are silence by now: a phrase that fits already spares the
        # 20 ms that ending the full model takes (same words on both corpora).
        known = self._known()
        if known is None:
            self._end()
            known = self._known()
        if known is not None:
            return known
        full = _result(self._full)
        return "" if full is None else full[0]

    def _known(self) -> str | None:
        """Return the phrase of the grammar that was said, if one was."""
        known = _result(self._grammar) if self._grammar is not None else None
        if known is None or known[0] not in self._phrases:
            return None
        return known[0] if self._fits(known, _result(self._full)) else None

    def _fits(self, known: Decoded, full: Decoded | None) -> bool:
        yard = _result(self._yard)
        frames = max(self._bytes / FRAME_BYTES, 1.0)
        if yard is None or full is None:
            return True
        lead = (2 * known[1] - yard[1] - full[1]) / frames
        return lead >= LEAST_LEAD and unlikeness(known[0], full[0]) <= MOST_UNLIKE


def _result(decoder: Any) -> Decoded | None:
    found = decoder.hyp()
    return None if found is None or not found.hypstr else (found.hypstr, float(found.score))


def _plain(phrase: str) -> str:
    kept = "".join(c if c.isalpha() or c in "' " else " " for c in phrase.lower())
    return " ".join(kept.split())


def unlikeness(one: str, other: str) -> float:
    """Return the letters to change between two texts, as a part of the longer one."""
    left, right = one.replace(" ", ""), other.replace(" ", "")
    row = list(range(len(right) + 1))
    for place, letter in enumerate(left, 1):
        before, row[0] = row[0], place
        for column, against in enumerate(right, 1):
            change = before + (letter != against)
            before = row[column]
            row[column] = min(before + 1, row[column - 1] + 1, change)
    return row[-1] / max(len(left), len(right), 1)
