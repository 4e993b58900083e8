"""Stored prompts: what they supply, what overrides them, and how a persona is swapped."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engine import BrainFinished, BrainRequest, BrainText
from realtime.errors import ServerFault
from realtime.prompts import PromptTemplate
from realtime.session import effects as fx
from realtime.session.config import DEFAULT_INSTRUCTIONS
from realtime.session.inputs import Allowed, EngineTraits, PromptFound, PromptUnavailable
from tests.realtime.driver import Driver, text_item

LOOK: dict[str, Any] = {"type": "function", "name": "look", "parameters": {"type": "object"}}
PIRATE = PromptTemplate.of(
    {
        "instructions": "You are {{ name }}, a pirate of {{sea}}.",
        "voice": "marin",
        "tools": [LOOK],
        "variables": {"sea": "the seven seas"},
    }
)
CLERK = PromptTemplate.of({"instructions": "You are a clerk."})
NAMED = {"id": "pirate", "variables": {"name": "Anne"}}
ANNE = "You are Anne, a pirate of the seven seas."


def driver(**more: Any) -> Driver:
    """Return a session whose project has prompts."""
    made = Driver(**more)
    made.prompts = {("pirate", None): PIRATE, ("pirate", "1"): CLERK, ("clerk", None): CLERK}
    return made


def update(given: Driver, **session: Any) -> dict[str, Any]:
    """Update the session; return it as it is then."""
    given.client("session.update", session={"type": "realtime", **session})
    return dict(given.last("session.updated")["session"])


def test_prompt_supplies_instructions_voice_and_tools() -> None:
    """Variables are filled in, those left out by the prompt's own values; the id is echoed."""
    session = update(driver(), prompt=NAMED)
    assert session["instructions"] == ANNE
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["tools"] == [LOOK]
    assert session["prompt"] == NAMED


def test_fields_of_the_same_update_override_the_prompt() -> None:
    """CONTRACT 6.11: direct fields override what the template supplies."""
    output = {"output": {"voice": "cedar"}}
    session = update(driver(), prompt=NAMED, instructions="Be brief.", tools=[], audio=output)
    assert (session["instructions"], session["tools"]) == ("Be brief.", [])
    assert session["audio"]["output"]["voice"] == "cedar"


def test_version_is_chosen_by_the_client() -> None:
    """A version that is named stays that version."""
    assert update(driver(), prompt={"id": "pirate", "version": "1"})["instructions"] == (
        "You are a clerk."
    )


def test_persona_is_swapped_within_a_session() -> None:
    """What the former prompt supplied goes with it, also its tools; the voice that spoke stays."""
    given = driver()
    update(given, prompt=NAMED)
    given.client("conversation.item.create", item=text_item("hello"))
    given.client("response.create")
    given.run()
    session = update(given, prompt={"id": "clerk"})
    assert (session["instructions"], session["tools"]) == ("You are a clerk.", [])
    again = update(given, prompt=NAMED, audio={"output": {"speed": 1.1}})
    assert again["instructions"] == ANNE
    assert again["audio"]["output"]["voice"] == "marin"


def test_voice_of_a_prompt_never_refuses_the_swap() -> None:
    """Another voice would be refused once one has spoken; a persona is not, it keeps the voice."""
    given = driver()
    given.client("conversation.item.create", item=text_item("hello"))
    given.client("response.create")
    given.run()
    session = update(given, prompt=NAMED)
    assert (session["instructions"], session["audio"]["output"]["voice"]) == (ANNE, "alloy")


@pytest.mark.parametrize(("usual", "shown"), [(None, DEFAULT_INSTRUCTIONS), ("Ours.", "Ours.")])
def test_prompt_taken_away_takes_what_it_supplied(usual: str | None, shown: str) -> None:
    """The model's own instructions hold again."""
    given = driver(traits=EngineTraits(instructions=usual))
    update(given, prompt=NAMED)
    session = update(given, prompt=None)
    assert (session["instructions"], session["tools"], session["prompt"]) == (shown, [], None)


def test_what_a_client_changed_since_outlives_the_prompt() -> None:
    """Only what the prompt supplied goes with it."""
    given = driver()
    update(given, prompt=NAMED)
    update(given, instructions="Mine.")
    assert update(given, prompt=None)["instructions"] == "Mine."


@pytest.mark.parametrize(
    ("prompt", "code", "param"),
    [
        ({"id": "nobody"}, "prompt_not_found", "session.prompt.id"),
        ({"id": "pirate", "version": "9"}, "prompt_not_found", "session.prompt.id"),
        ({"id": "pirate"}, "missing_required_parameter", "session.prompt.variables.name"),
        (
            {"id": "clerk", "variables": {"name": "x"}},
            "unknown_parameter",
            "session.prompt.variables.name",
        ),
        (
            {"id": "pirate", "variables": {"name": 7}},
            "invalid_value",
            "session.prompt.variables.name",
        ),
    ],
)
def test_prompt_that_cannot_be_used_changes_nothing(
    prompt: dict[str, Any], code: str, param: str
) -> None:
    """The whole update is refused, as for every fault (CONTRACT 6.4)."""
    given = driver()
    given.client(
        "session.update", session={"type": "realtime", "prompt": prompt, "instructions": "x"}
    )
    assert (given.error()["code"], given.error()["param"]) == (code, param)
    assert not any(event["type"] == "session.updated" for event in given.sent)
    assert given.machine.config.prompt is None  # type: ignore[union-attr]


def test_text_objects_are_variables() -> None:
    """SDKs may send a variable as an input part."""
    variables = {"name": {"type": "input_text", "text": "Anne"}}
    assert update(driver(), prompt={"id": "pirate", "variables": variables})["instructions"] == ANNE


def test_one_response_may_have_a_prompt_of_its_own() -> None:
    """The session's configuration stays."""
    asked: list[BrainRequest] = []

    def brain(request: BrainRequest) -> list[Any]:
        asked.append(request)
        return [BrainText(request.response_id, "Aye."), BrainFinished(request.response_id)]

    given = driver(brain=brain)
    given.client("conversation.item.create", item=text_item("hello"))
    given.client("response.create", response={"prompt": NAMED, "instructions": None})
    given.run()
    given.client("response.create")
    given.run()
    assert [request.instructions for request in asked] == [ANNE, DEFAULT_INSTRUCTIONS]
    assert [tool.name for tool in asked[0].tools] == ["look"]
    assert asked[1].tools == ()


def test_response_with_an_unknown_prompt_is_refused() -> None:
    """As an error, for the client that asked."""
    given = driver()
    given.client("response.create", response={"prompt": {"id": "nobody"}}, event_id="e1")
    error = given.error()
    assert (error["code"], error["param"]) == ("prompt_not_found", "response.prompt.id")
    assert error["event_id"] == "e1"


def test_events_wait_behind_a_prompt_that_is_looked_up() -> None:
    """The order of client events holds while the store is asked."""
    given = Driver()
    given._answer = lambda: None  # type: ignore[method-assign]
    given.admit = False
    given.client("session.update", session={"type": "realtime", "prompt": {"id": "clerk"}})
    (ask,) = [effect for effect in given.effects if isinstance(effect, fx.Ask)]
    del given._answer  # type: ignore[method-assign]
    given.prompts = {}
    held: list[fx.FindPrompt] = []
    given.machine.receive(Allowed(ask.question), 0)
    for effect in given.machine.effects():
        assert isinstance(effect, fx.FindPrompt)
        held.append(effect)
    given.client("input_audio_buffer.clear")
    assert given.types() == ["session.created"]
    given.give(PromptFound(held[0].question, CLERK))
    assert given.types() == ["session.created", "session.updated", "input_audio_buffer.cleared"]
    given.give(PromptFound(held[0].question, CLERK))
    assert len(given.sent) == 3


def test_store_that_cannot_be_asked_is_an_error_and_no_end() -> None:
    """The session goes on as it was."""
    given = driver()
    find = fx.FindPrompt(0, "", None)
    original = given.prompts
    given.prompts = {}
    given.client("session.update", session={"type": "realtime", "prompt": {"id": "clerk"}})
    assert given.error()["code"] == "prompt_not_found"
    given.give(PromptUnavailable(find.question, ServerFault()))
    given.prompts = original
    assert update(given, prompt={"id": "clerk"})["instructions"] == "You are a clerk."
