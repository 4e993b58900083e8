"""The chat brain against a real server that does what each scenario says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
from pydantic import SecretStr

from conformance.contracts.brain import WEATHER, Answer, asked, check_brain, opened
from gateway.engines.chat.brain import ChatBrain, ChatEndpoint
from gateway.engines.chat.clauses import Clauses
from gateway.engines.chat.configured import chat_endpoint
from gateway.engines.chat.messages import chat_functions, chat_messages
from gateway.settings import Settings
from realtime.engine import (
    BrainCallArguments,
    BrainCallFinished,
    BrainCallStarted,
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    ContextImage,
    ContextItem,
    SessionFacts,
)
from realtime.ids import SequentialIds
from tests.servers import chat
from tests.servers.chat import WORDS, ChatServer

LOCAL = "http://127.0.0.1:11434/v1"


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    """A chat server of its own process."""
    with chat.running() as running:
        yield running


@pytest.fixture
async def brains(server: ChatServer) -> AsyncIterator[Any]:
    """Makes brains by scenario; closes them."""
    made: list[ChatBrain] = []

    def make(scenario: str, **more: Any) -> ChatBrain:
        endpoint = ChatEndpoint(base_url=server.url, model=scenario, api_key="k")
        made.append(ChatBrain(replace(endpoint, **more), ids=SequentialIds()))
        return made[-1]

    yield make
    for brain in made:
        await brain.close()


async def answered(brain: ChatBrain, **request: Any) -> list[BrainReport]:
    """Ask, and return the reports."""
    session = opened(brain)
    try:
        return await Answer(session, asked("what time is it", **request)).whole()
    finally:
        session.close()


async def test_chat_brain_keeps_the_contract(brains: Any) -> None:
    """What every brain must do."""
    await check_brain(brains("words"), "what time is it")


async def test_words_come_by_clause_with_the_models_usage(brains: Any) -> None:
    """Stretches may be spoken before the answer ends; usage is the endpoint's own count."""
    reports = await answered(brains("words"))
    texts = [report for report in reports if isinstance(report, BrainText)]
    assert "".join(report.text for report in texts).strip() == WORDS
    assert any(report.complete for report in texts[:-1])
    end = reports[-1]
    assert isinstance(end, BrainFinished)
    assert end.usage is not None
    assert (end.usage.input_text_tokens, end.usage.cached_text_tokens) == (42, 32)


async def test_parallel_calls_follow_one_another(brains: Any) -> None:
    """Each call is started, argued and finished before the next."""
    reports = await answered(brains("two-calls"), tools=(WEATHER,))
    kinds = [type(report) for report in reports if not isinstance(report, BrainCallArguments)]
    assert kinds == [
        BrainCallStarted, BrainCallFinished, BrainCallStarted, BrainCallFinished, BrainFinished,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "scenario", ["two-calls", "ollama-parallel", "ollama-old", "llama-cpp-calls"]
)
async def test_second_call_ends_an_answer_that_may_have_one(brains: Any, scenario: str) -> None:
    """Some servers pass over `parallel_tool_calls: false`; what the client said holds."""
    reports = await answered(brains(scenario), tools=(WEATHER,), parallel_calls=False)
    kinds = [type(report) for report in reports if not isinstance(report, BrainCallArguments)]
    calls = [kind for kind in kinds if kind is not BrainText]
    assert calls == [BrainCallStarted, BrainCallFinished, BrainFinished]


async def test_calls_of_several_answers_have_ids_of_their_own(brains: Any) -> None:
    """Servers that number calls anew in each answer would mix their outputs up."""
    brain = brains("two-calls")
    reports = [r for _ in range(2) for r in await answered(brain, tools=(WEATHER,))]
    named = [report.call_id for report in reports if isinstance(report, BrainCallStarted)]
    assert len(named) == len(set(named)) == 4


async def test_answer_that_is_cancelled_at_once_is_forgotten(brains: Any) -> None:
    """An abandoned speculation leaves nothing with its session."""
    session = brains("words").open(SessionFacts(session_id="sess_1"))
    session.prepare(asked("what time is it"), lambda _: None).cancel()
    await asyncio.sleep(0)
    assert not session._runs
    session.close()


@pytest.mark.parametrize(
    ("variables", "address", "key"),
    [
        ({}, None, None),
        ({"OPENAI_API_KEY": "sk-ve-ours"}, None, None),
        ({"OPENAI_API_KEY": "sk-theirs"}, "https://api.openai.com/v1", "sk-theirs"),
        ({"OPENAI_API_KEY": "sk-theirs", "CHAT_URL": LOCAL}, LOCAL, "none"),
        ({"CHAT_API_KEY": "key", "CHAT_URL": LOCAL}, LOCAL, "key"),
        (
            {"CHAT_API_KEY": "key", "OPENAI_API_KEY": "sk-theirs"},
            "https://api.openai.com/v1",
            "key",
        ),
    ],
    ids=["nothing", "our own key", "OpenAI's", "OpenAI's and an address", "both", "two keys"],
)
def test_key_goes_to_its_own_endpoint_only(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], address: str | None, key: str | None
) -> None:
    """A key for OpenAI that lies in the environment is not shown to any other endpoint."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name if name.startswith("OPENAI") else f"VOICEENGINE_{name}", value)
    endpoint = chat_endpoint(Settings())
    assert (endpoint and endpoint.base_url) == address
    assert (endpoint and endpoint.api_key) == key


async def test_malformed_arguments_are_passed_on(brains: Any) -> None:
    """What the model wrote is the client's to judge."""
    reports = await answered(brains("malformed-call"), tools=(WEATHER,))
    text = "".join(r.delta for r in reports if isinstance(r, BrainCallArguments))
    assert text == '{"place": '


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        ("unknown-call", "model_called_unknown_tool"),
        ("drops", "model_connection_lost"),
        ("ends-early", "model_connection_lost"),
        ("hangs", "model_connection_lost"),
        ("silent", "model_timeout"),
        ("garbage", "model_answer_invalid"),
        ("error-within", "model_unavailable"),
        ("too-long", "context_length_exceeded"),
        ("too-long-llama", "context_length_exceeded"),
        ("no-credit", "model_quota_exceeded"),
        ("402", "model_quota_exceeded"),
        ("422", "model_refused_request"),
        ("401", "model_refused_key"),
        ("404", "model_unknown"),
        ("429", "rate_limit_exceeded"),
        ("500", "model_unavailable"),
    ],
)
async def test_fault_of_the_endpoint_fails_the_answer(
    brains: Any, scenario: str, code: str
) -> None:
    """Whatever the endpoint does wrong has its code, and nothing of its text is told."""
    brain = brains(scenario, first_token_s=3.0, next_token_s=0.3)
    end = (await answered(brain, tools=(WEATHER,)))[-1]
    assert isinstance(end, BrainFailed)
    assert end.fault.code == code
    assert "secret" not in end.fault.message


async def test_answer_without_end_is_cut_off(brains: Any) -> None:
    """However steadily the words come, an answer has its longest time."""
    end = (await answered(brains("slow", answer_s=0.5)))[-1]
    assert isinstance(end, BrainFailed)


async def test_close_ends_what_is_asked(brains: Any) -> None:
    """Nothing of a brain runs once it is closed."""
    brain = brains("silent")
    Answer(opened(brain), asked("hello")).run.commit()
    await asyncio.sleep(0.1)
    await brain.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "chat"]


async def test_endpoint_that_is_not_there_fails_the_answer(brains: Any) -> None:
    """A refused connection is told as such."""
    end = (await answered(brains("words", base_url="http://127.0.0.1:9/v1")))[-1]
    assert isinstance(end, BrainFailed)
    assert end.fault.code == "model_unavailable"


async def test_busy_endpoint_is_asked_again(brains: Any) -> None:
    """429 with `retry-after` is tried again before anybody is told."""
    assert isinstance((await answered(brains("busy-once")))[-1], BrainFinished)


@pytest.mark.parametrize(
    ("scenario", "limit", "cut"),
    [("words", 3, "max_output_tokens"), ("filtered", None, "content_filter")],
)
async def test_cut_answers_say_why(brains: Any, scenario: str, limit: int | None, cut: str) -> None:
    """The endpoint's reason for stopping is the response's."""
    end = (await answered(brains(scenario), max_output_tokens=limit))[-1]
    assert isinstance(end, BrainFinished)
    assert end.cut == cut


async def test_answer_is_asked_for_before_it_is_wanted(brains: Any, server: ChatServer) -> None:
    """A speculation asks the model at once and tells nothing until it is committed."""
    session = opened(brains("slow"))
    answer = Answer(session, asked("hello"))
    await asyncio.sleep(0.5)
    assert server.asked()[-1]["model"] == "slow"
    assert answer.reports == []
    reports = await answer.whole()
    assert isinstance(reports[0], BrainText)
    session.close()


async def test_speculation_that_is_abandoned_closes_its_connection(
    brains: Any, server: ChatServer
) -> None:
    """The endpoint is told by the closed stream that nobody reads; the words so far are known."""
    before = server.left()
    session = opened(brains("slow"))
    answer = Answer(session, asked("hello"))
    await asyncio.sleep(0.5)
    spent = answer.run.spent()  # type: ignore[attr-defined]
    assert spent.usage is None
    assert spent.text.startswith("One moment")
    answer.run.cancel()
    async with asyncio.timeout(30):
        while server.left() == before:
            await asyncio.sleep(0.05)
    assert answer.reports == []
    session.close()


async def test_speculation_that_was_read_whole_knows_its_usage(brains: Any) -> None:
    """What it cost is the model's own count, though nobody hears the answer."""
    session = opened(brains("words"))
    answer = Answer(session, asked("hello"))
    async with asyncio.timeout(30):
        while answer.run.spent().usage is None:  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)
    usage = answer.run.spent().usage  # type: ignore[attr-defined]
    assert (usage.input_text_tokens, usage.output_text_tokens) == (42, 13)
    session.close()


async def test_speculation_that_failed_is_asked_again(brains: Any) -> None:
    """A fault while nobody waited is nobody's: the commit asks anew."""
    session = opened(brains("fails-once"))
    answer = Answer(session, asked("hello"))
    await asyncio.sleep(0.3)
    reports = await answer.whole()
    assert answer.text.strip() == WORDS
    assert isinstance(reports[-1], BrainFinished)
    session.close()


async def test_speculation_makes_no_call(brains: Any) -> None:
    """A call of a tool is told at the commit and not before, so nobody can run it."""
    session = opened(brains("two-calls"))
    answer = Answer(session, asked("hello", tools=(WEATHER,)))
    await asyncio.sleep(0.3)
    assert answer.reports == []
    assert any(isinstance(report, BrainCallStarted) for report in await answer.whole())
    session.close()


async def test_whole_answer_is_spoken_at_once_where_clauses_are_off(brains: Any) -> None:
    """Without clauses nothing is told to be speakable before the end."""
    reports = await answered(brains("words", clauses=False))
    assert not any(report.complete for report in reports if isinstance(report, BrainText))


@pytest.mark.parametrize("scenario", ["one-huge-token", "huge-line", "endless", "huge-call"])
async def test_answer_beyond_all_measure_is_given_up(brains: Any, scenario: str) -> None:
    """15 MiB in a token, in a line, or in words without end: the answer fails, nothing more."""
    end = (await answered(brains(scenario), tools=(WEATHER,)))[-1]
    assert isinstance(end, BrainFailed)
    assert end.fault.code == "model_answer_too_long"


async def test_answer_that_comes_in_one_piece_is_cut_in_time(brains: Any) -> None:
    """A server that does not stream, and text that looks like abbreviations, hold nobody up."""
    began_s = time.thread_time()
    reports = await answered(brains("one-long-token"))
    assert isinstance(reports[-1], BrainFinished)
    assert time.thread_time() - began_s < 5.0
    assert sum(len(report.text) for report in reports if isinstance(report, BrainText)) == 200_000


# --- messages ---


def message(role: Any, text: str, **more: Any) -> ContextItem:
    """Return a message."""
    return ContextItem(item_id="i", kind="message", role=role, text=text, **more)


def request_of(*items: ContextItem, **more: Any) -> BrainRequest:
    """Return a request."""
    return BrainRequest(response_id="resp_1", items=items, instructions="Be brief.", **more)


def test_messages_hold_calls_with_their_outputs() -> None:
    """Each call is followed by its output, or by a word that there is none yet."""
    calls = [
        ContextItem(item_id="c", kind="function_call", name="f", call_id=name, text="{}")
        for name in ("one", "two")
    ]
    output = ContextItem(item_id="o", kind="function_call_output", call_id="one", text="1")
    messages = chat_messages(request_of(message("user", "hi"), *calls, output))
    assert [m["role"] for m in messages] == [
        "system", "user", "assistant", "tool", "assistant", "tool",
    ]  # fmt: skip
    assert [m["content"] for m in messages if m["role"] == "tool"] == [
        "1", "There is no result yet.",
    ]  # fmt: skip


def test_messages_pass_images_on() -> None:
    """Text and images are parts of one message, each image with its detail."""
    image = ContextImage("data:image/png;base64,AA==", "low")
    (_, shown) = chat_messages(request_of(message("user", "What is it?", images=(image,))))
    assert shown["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": image.url, "detail": "low"}},
    ]


OTHER = replace(WEATHER, name="other")


def test_choice_is_not_forced_on_the_answer_to_a_call() -> None:
    """A session that forces a call would call for ever."""
    output = ContextItem(item_id="o", kind="function_call_output", call_id="one", text="1")
    for choice in ("required", "function:weather"):
        asked_for = request_of(output, tool_choice=choice, tools=(WEATHER, OTHER))
        told = chat_functions(asked_for, names_one=False)
        assert (told["tool_choice"], len(told["tools"])) == ("auto", 2)


def test_named_function_is_forced_as_the_endpoint_understands_it() -> None:
    """By its name, or as the only one where a name would be passed over (llama.cpp)."""
    asked_for = request_of(
        message("user", "x"), tool_choice="function:weather", tools=(OTHER, WEATHER)
    )
    told = chat_functions(asked_for, names_one=True)
    assert told["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert len(told["tools"]) == 2
    alone = chat_functions(asked_for, names_one=False)
    assert alone["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in alone["tools"]] == ["weather"]


def test_parallel_calls_are_forbidden_where_the_session_forbids_them() -> None:
    """What is the default is not said: some models refuse the word; without tools nothing is."""
    told = [
        chat_functions(request_of(message("user", "x"), **more), names_one=True)
        for more in ({}, {"tools": (WEATHER,)}, {"tools": (WEATHER,), "parallel_calls": False})
    ]
    assert [each.get("parallel_tool_calls") for each in told] == [None, None, False]
    assert told[0] == {}


def test_arguments_that_are_no_object_are_not_repeated_to_the_endpoint() -> None:
    """A server that reads them would refuse this conversation for ever."""
    for text, repeated in (('{"a": ', "{}"), ("[1]", "{}"), ("", "{}"), ('{"a": 1}', '{"a": 1}')):
        call = ContextItem(item_id="c", kind="function_call", name="f", call_id="one", text=text)
        (_, assistant, _) = chat_messages(request_of(call))
        assert assistant["tool_calls"][0]["function"]["arguments"] == repeated


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("openai", "I cannot help with that."),
        ("azure", WORDS),
        ("ollama", WORDS),
        ("llama-cpp", WORDS),
        ("no-done", WORDS),
    ],
)
async def test_words_are_read_as_each_server_writes_them(
    brains: Any, scenario: str, words: str
) -> None:
    """Thoughts are not said; chunks without choices, delta, content or count are no fault."""
    reports = await answered(brains(scenario))
    said = "".join(report.text for report in reports if isinstance(report, BrainText))
    assert said.strip() == words
    end = reports[-1]
    assert isinstance(end, BrainFinished)
    assert (end.usage is None) == (scenario == "no-done")


@pytest.mark.parametrize(
    "scenario", ["two-calls", "ollama-parallel", "ollama-old", "llama-cpp-calls"]
)
async def test_calls_are_told_apart_as_each_server_writes_them(brains: Any, scenario: str) -> None:
    """By index, by id, or where one's arguments are whole."""
    reports = await answered(brains(scenario), tools=(WEATHER,))
    calls = [report.call_id for report in reports if isinstance(report, BrainCallStarted)]
    arguments = [
        "".join(r.delta for r in reports if isinstance(r, BrainCallArguments) and r.call_id == call)
        for call in calls
    ]
    assert arguments == ['{"place":"A"}', '{"place":"B"}']
    assert [r.call_id for r in reports if isinstance(r, BrainCallFinished)] == calls
    assert isinstance(reports[-1], BrainFinished)


async def test_call_that_is_named_again_with_each_piece_is_one(brains: Any) -> None:
    """Also under another id each time; that it ends with `stop` changes nothing."""
    reports = await answered(brains("vllm-named"), tools=(WEATHER,))
    assert len([report for report in reports if isinstance(report, BrainCallStarted)]) == 1
    text = "".join(report.delta for report in reports if isinstance(report, BrainCallArguments))
    assert text == '{"place":"A"}'


async def test_azure_gets_its_key_and_version_where_it_looks_for_them(
    brains: Any, server: ChatServer
) -> None:
    """The key in `api-key` and nowhere else, the version behind the deployment's path."""
    settings = Settings(
        chat_url=f"{server.origin}/openai/deployments/words?api-version=2024-10-21",
        chat_api_key=SecretStr("azure-key"), chat_key_header="api-key", chat_model="words",
    )  # fmt: skip
    endpoint = chat_endpoint(settings)
    assert endpoint is not None
    brain = brains("words", **asdict(endpoint))
    assert isinstance((await answered(brain))[-1], BrainFinished)
    head = server.heads()[-1]
    assert head["path"] == "/openai/deployments/words/chat/completions"
    assert (head["query"], head["api-key"]) == ("api-version=2024-10-21", "azure-key")
    assert "authorization" not in head
    assert await brain.probe() == {"model": "words"}
    hosted = chat_endpoint(Settings(chat_url="https://x.openai.azure.com/openai/v1/"))
    assert hosted is not None
    assert (hosted.limit_field, hosted.names_one) == ("max_completion_tokens", True)


# --- clauses ---


def stretches(text: str, *, size: int = 3) -> list[str]:
    """Feed a text in small pieces; return what may be spoken, stretch by stretch."""
    clauses, found, held = Clauses(), [], ""
    for place in range(0, len(text), size):
        for piece, complete in clauses.feed(text[place : place + size]):
            held += piece
            if complete:
                found.append(held)
                held = ""
    return [*found, held] if held else found


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well, that is easy. It is noon.", ["Well, that is easy. ", "It is noon."]),
        ("Good morning, how are you today?", ["Good morning, ", "how are you today?"]),
        ("It costs 3.50 at 12:30 in all shops.", ["It costs 3.50 at 12:30 in all shops."]),
        ("Please ask Dr. Miller about it. Then go.", ["Please ask Dr. Miller about it. ", "Then go."]),
        ("One line of a list\nand another line of it\n", ["One line of a list\n", "and another line of it\n"]),
    ],
)  # fmt: skip
def test_clauses_are_cut_where_they_may_be_spoken(
    text: str, expected: list[str], size: int
) -> None:
    """The first stretch is a clause, later ones sentences, whatever pieces the text comes in."""
    assert stretches(text, size=size) == expected


def test_clauses_without_any_space_are_cut_all_the_same() -> None:
    """Languages without spaces are spoken before the answer ends."""
    found = stretches("語" * 2_000)
    assert "".join(found) == "語" * 2_000
    assert max(len(stretch) for stretch in found) <= 481


def test_clauses_lose_nothing() -> None:
    """All text comes out, in order, however long it goes on without a mark."""
    text = "word " * 400
    found = stretches(text)
    assert "".join(found) == text
    assert max(len(stretch) for stretch in found) < 260
