"""Streaming recognition by pocketsphinx: a grammar of known phrases first, the full model behind.

Three decoders hear each utterance: the grammar, the full model, and a loop of
phones as a yardstick. A grammar always answers something, so its phrase counts
only if it is whole, if its score per frame lies above what the other two reached
on the same sound (`LEAST_LEAD`), and if it is spelled somewhat like what the
full model heard (`MOST_UNLIKE`, `LEAST_LETTERS`; a short phrase can pass a long
sentence off as noise). The bounds were measured with `bench/wer.py`.

Every utterance begins from the same mean of the sound (`MEAN`), corrected by its
own loudness, so that the same audio gives the same words whatever a recogniser
heard before, from whomever. The loudness is known after `LEVEL_BYTES`; where it is
far from usual the decoders begin anew with what they heard.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ovos_bridge.speech.phrases import phrase_graph
from ovos_bridge.speech.streaming import Understood, Word

RATE_HZ = 16_000
FRAME_BYTES = RATE_HZ // 100 * 2
LEAST_LEAD = 0.0004
"""Least sum of (grammar - phones) and (grammar - full model), log score per 10 ms frame."""

MOST_UNLIKE = 0.6
"""Most letters to change, as a part of the longer text."""

LEAST_LETTERS = 0.65
"""Least letters of a phrase, as a part of those that the full model heard."""

MOST_UNLIKE_BEGUN = 0.25
"""The same for words that only begin a phrase: who is believed to go on is waited for."""

MEAN = (50.65, 2.21, 13.91, 19.09, 0.84, 1.39, 3.0, 3.52, 1.55, 5.34, 2.71, 7.21, 7.33)
"""Mean cepstrum of the tuning set, each sentence by itself; pocketsphinx's own 40,3,-1 makes
twice the errors."""

LEVEL_BYTES = RATE_HZ * 8 // 10 * 2
"""The pause before the words and half a second of them."""

USUAL_LEVEL = 8_700.0
"""Loudness of the tuning set, as `_level` measures it."""

LEVEL_SLOPE = 8.87
"""Rise of the first coefficient with the logarithm of the amplitude, measured."""

USUAL_SPREAD = 0.8
"""A logarithm of loudness so near the usual one (7 dB) makes little difference in words."""

MOST_SOFTNESS = 3.0
"""What is softer (26 dB) is taken for noise and counts as so soft."""

USUAL, SCORED = "_default", "scored"
"""Searches of the full model: the fast one, and one that also knows how sure it is."""

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
        self._begun: frozenset[str] = frozenset()
        """What phrases begin with, short of the whole phrase."""
        self._started: list[Any] = []
        self._bytes = 0
        self._beginning = bytearray()
        self._wants_logprobs = self._scores = False
        self._source: Any = None
        """The decoder that `finish` took the words of."""

    def set_phrases(self, phrases: Iterable[str]) -> int:
        """Use these phrases as the grammar, but for those with unknown words; return how many."""
        self._end()
        known = sorted({p for p in map(_plain, phrases) if p and self._spoken(p)})[:MAX_PHRASES]
        self._phrases = frozenset(known)
        self._begun = frozenset(begun for phrase in known for begun in _beginnings(phrase))
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

    def want_logprobs(self) -> None:
        """Let the next utterance's words have log probabilities; costs a search the first time."""
        self._wants_logprobs = True

    def start(self, language: str | None = None) -> None:
        """Begin an utterance; one that was not finished is void. The model knows English only."""
        self._end()
        self._bytes, self._source = 0, None
        self._scores, self._wants_logprobs = self._wants_logprobs, False
        self._full.activate_search(self._scoring_search() if self._scores else USUAL)
        self._beginning.clear()
        self._begin(MEAN)

    def _begin(self, mean: Sequence[float]) -> None:
        self._end()
        for decoder in self._decoders():
            decoder.set_cmn(",".join(f"{each:.2f}" for each in mean))
            decoder.start_utt()
            self._started.append(decoder)

    def _scoring_search(self) -> str:
        if self._full.get_lm(SCORED) is None:
            # Probabilities come from a pass over the lattice, which a search makes if it
            # was made so. It shares the language model and takes 40 MB of its own.
            self._full.config["bestpath"] = True
            self._full.add_lm(SCORED, self._full.get_lm(USUAL))
            self._full.config["bestpath"] = False
        return SCORED

    def _end(self) -> None:
        while self._started:
            self._started.pop().end_utt()

    def hear(self, audio: bytes) -> None:
        """Take 16 kHz PCM of the utterance."""
        room = LEVEL_BYTES - len(self._beginning)
        self._decode(audio[:room] if room > 0 else audio)
        if room <= 0:
            return
        self._beginning += audio[:room]
        if len(self._beginning) == LEVEL_BYTES:
            self._adjust()
            self._decode(audio[room:])

    def _adjust(self) -> None:
        """Begin anew if the utterance is much louder or much softer than usual."""
        level = _level(bytes(self._beginning))
        apart = max(math.log(level / USUAL_LEVEL), -MOST_SOFTNESS) if level > 0.0 else 0.0
        if abs(apart) <= USUAL_SPREAD:
            return
        self._begin((MEAN[0] + LEVEL_SLOPE * apart, *MEAN[1:]))
        self._bytes = 0
        self._decode(bytes(self._beginning))

    def _decode(self, audio: bytes) -> None:
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
        if self._scores:
            # The last pass over the lattice scores on another scale than `_fits` knows.
            self._end()
        elif known is None:
            self._end()
            known = self._known()
        if known is not None:
            self._source = self._grammar
            return known
        self._source = self._full
        full = _result(self._full)
        return "" if full is None else full[0]

    def words(self) -> Sequence[Word]:
        """Return the words so far (the grammar's, while they fit), or those of `finish`."""
        source = self._source
        if source is None:
            source = self._full if self._guess() is None else self._grammar
        return [word for segment in source.seg() if (word := _word(segment, scored=self._scores))]

    def understood(self) -> Understood:
        """Say what was said if it ends here; the utterance goes on."""
        full = _result(self._full)
        text = self._guess()
        if text is None and full is not None and full[0] in self._phrases:
            text = full[0]
        if text is not None and text in self._phrases:
            extendable = text in self._begun
            return Understood(text, whole=None if extendable else True, extendable=extendable)
        if text is not None and full and unlikeness(text, full[0]) <= MOST_UNLIKE_BEGUN:
            return Understood(text, whole=False)
        return Understood("" if full is None else full[0])

    def _known(self) -> str | None:
        """Return the phrase of the grammar that was said, if one was."""
        known = self._guess()
        return known if known in self._phrases else None

    def _guess(self) -> str | None:
        """Return the phrase, or beginning of one, that fits what was heard so far."""
        known = _result(self._grammar) if self._grammar is not None else None
        if known is None or not (known[0] in self._phrases or known[0] in self._begun):
            return None
        return known[0] if self._fits(known, _result(self._full)) else None

    def _fits(self, known: Decoded, full: Decoded | None) -> bool:
        yard = _result(self._yard)
        frames = max(self._bytes / FRAME_BYTES, 1.0)
        if yard is None or full is None:
            return True
        lead = (2 * known[1] - yard[1] - full[1]) / frames
        alike = unlikeness(known[0], full[0]) <= MOST_UNLIKE
        return lead >= LEAST_LEAD and alike and _letters(known) >= LEAST_LETTERS * _letters(full)


def _result(decoder: Any) -> Decoded | None:
    found = decoder.hyp()
    return None if found is None or not found.hypstr else (found.hypstr, float(found.score))


def _level(audio: bytes) -> float:
    """Return how loud the louder part of the sound is, as an amplitude."""
    samples = np.frombuffer(audio, dtype="<i2").astype(np.float64)
    frames = np.sqrt((samples[: len(samples) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1))
    heard = frames[frames > frames.max(initial=0.0) / 20]
    return float(np.percentile(heard, 80)) if len(heard) else 0.0


def _word(segment: Any, *, scored: bool) -> Word | None:
    """Return a segment as a word, None for silence and noise."""
    text = str(segment.word).split("(", 1)[0]
    if not text or text[0] in "<[+":
        return None
    # Rounding in pocketsphinx's table of logarithms can pass certainty by a little.
    chance = min(max(float(segment.prob), 1e-9), 1.0)
    logprob = math.log(chance) if scored else None
    return Word(text, segment.start_frame, segment.end_frame, logprob)


def _beginnings(phrase: str) -> Iterable[str]:
    words = phrase.split()
    return (" ".join(words[:count]) for count in range(1, len(words)))


def _letters(decoded: Decoded) -> int:
    return len(decoded[0].replace(" ", ""))


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
