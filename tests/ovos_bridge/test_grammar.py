"""Phrases for a recogniser's grammar."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovos_bridge import grammar
from ovos_bridge.launch.phrase_book import PhraseBook, expanded


class Message:
    """A bus message as OVOS's client hands it over."""

    def __init__(self, data: dict[str, Any]) -> None:
        """Carry data only."""
        self.data = data

    def reply(self, kind: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return what would be emitted."""
        return kind, data


class Client:
    """A bus client of the speech environment, without a bus."""

    def __init__(self) -> None:
        """Nothing is registered."""
        self.handlers: dict[str, Any] = {}
        self.emitted: list[Any] = []

    def on(self, kind: str, handler: Any) -> None:
        """Register."""
        self.handlers[kind] = handler

    def emit(self, message: Any) -> None:
        """Keep."""
        self.emitted.append(message)

    def tell(self, kind: str, **data: Any) -> None:
        """Deliver a message."""
        self.handlers[kind](Message(data))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain words", ["plain words"]),
        ("(a|b) c", ["a c", "b c"]),
        ("[please] go", ["please go", " go"]),
        ("(a|(b|c)) d", ["a d", "b d", "c d"]),
        ("roll (a| ) die", ["roll a die", "roll   die"]),
    ],
)
def test_template_expands_to_its_readings(template: str, expected: list[str]) -> None:
    """Alternatives and options are spelt out, nested ones too."""
    assert set(expanded(template)) == set(expected)


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("What\u2019s the Time?", "what's the time"),
        ("count to 42", "count to forty two"),
        ("count to ###", ""),
        ("say \u00fcber", ""),
        ("in 1000 days", ""),
        ("well, hello", "well hello"),
    ],
)
def test_phrase_becomes_plain_words_or_nothing(phrase: str, words: str) -> None:
    """A recogniser knows lower-cased words only."""
    assert grammar.plain(phrase) == words


@given(st.text())
def test_any_phrase_is_plain_or_empty(phrase: str) -> None:
    """Nothing but words, single spaces and apostrophes comes through."""
    words = grammar.plain(phrase)
    assert set(words) <= set("abcdefghijklmnopqrstuvwxyz' ")
    assert words == " ".join(words.split())


def test_slots_take_few_values() -> None:
    """A slot is filled from the skill's entities, or from a small list."""
    told = {
        "templates": {"a": ["go to {town}", "roll {number} dice", "say {sentence}"]},
        "slots": {"skill:town_0123456789abcdef0123456789abcdef": ["Paris", "Rome"]},
    }
    phrases = grammar.phrases(told, 5_000)
    assert {"go to paris", "go to rome", "roll two dice"} <= set(phrases)
    assert not any(phrase.startswith("say ") for phrase in phrases)


def test_keywords_combine_in_order() -> None:
    """An intent of keywords gives each combination; patterns get example words."""
    told = {
        "keywords": {"xSpell": ["spell"], "xHelloworldkeyword": ["hello world"]},
        "keyword_intents": {
            "x:spell": {"requires": [["xSpell", "xSpell"], ["xWord", "xWord"]]},
            "x:hello": {"requires": [["xHelloWorldKeyword", "a"]], "at_least_one": []},
        },
    }
    phrases = grammar.phrases(told, 5_000)
    assert {"spell banana", "hello world"} <= set(phrases)


def test_large_intent_leaves_room_for_the_others() -> None:
    """The bound is shared: one of each intent in turn, shortest first."""
    told = {
        "templates": {
            "large": [f"count to {n} in long scale" for n in range(100)],
            "small": ["flip a coin"],
        }
    }
    phrases = grammar.phrases(told, len(grammar.COMMON) + 3)
    assert "flip a coin" in phrases
    assert len(phrases) == len(grammar.COMMON) + 3
    assert len(set(phrases)) == len(phrases)


class TestPhraseBook:
    """What the launcher remembers of the skills."""

    def test_book_tells_what_was_registered(self, tmp_path: Any) -> None:
        """Samples and files, entities, keywords and keyword intents are told."""
        file = tmp_path / "x.intent"
        file.write_text("# why\nturn it on\n\nturn it off\n")
        client = Client()
        PhraseBook(client)
        client.tell("padatious:register_intent", name="a", samples=["do it"])
        client.tell("padatious:register_intent", name="b", file_name=str(file))
        client.tell("padatious:register_intent", name="c", file_name="/nowhere")
        client.tell("register_vocab", entity_type="K", entity_value="word")
        client.tell("register_intent", name="d", requires=[["K", "K"]])
        client.tell("voiceengine.phrases.get")
        kind, told = client.emitted[0]
        assert kind == "voiceengine.phrases.reply"
        assert told["templates"] == {"a": ["do it"], "b": ["turn it on", "turn it off"], "c": []}
        assert told["keywords"] == {"K": ["word"]}
        assert told["keyword_intents"] == {"d": {"requires": [["K", "K"]], "at_least_one": []}}

    @pytest.mark.parametrize(
        ("utterance", "slots", "vouched"),
        [
            ("what time is it in tokyo", {"place": "tokyo"}, True),
            ("what time is it at Tokyo", {"place": "tokyo"}, True),
            ("tokyo time", {"place": "tokyo"}, True),
            ("what is two plus two", {"place": "plus two"}, False),
            ("what time is it", {}, True),
            ("what time is it in tokyo", {"place": "osaka"}, True),
        ],
    )
    def test_slot_must_follow_a_word_of_a_template(
        self, utterance: str, slots: dict[str, str], vouched: bool
    ) -> None:
        """A value that stands where no template has the slot is not believed."""
        client = Client()
        book = PhraseBook(client)
        samples = ["what time is it (in|at) {place}", "{place} time"]
        client.tell("padatious:register_intent", name="t", samples=samples)
        assert book.vouches("t", utterance, slots) is vouched
