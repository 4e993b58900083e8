"""A browser calls through a bad network, and listens to an answer of twenty words."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page
from websockets.sync.client import connect

from tests.functional.bad_network_scores import as_sent
from tests.functional.browser.chromium import browsing, serving, silence
from tests.functional.browser.listening import (
    behind_relay,
    heard_part,
    inbound,
    record,
    recorded,
)
from tests.functional.scoring import samples
from tests.functional.server import Server, minted
from tests.servers.impairment import FINE, Weather

PAGES = Path(__file__).parent
WAIT_MS = 60_000
SETTLE_MS = 400
SAID = "one two three four five six seven eight nine ten " * 2
TOOL = {"type": "function", "name": "tell", "parameters": {"type": "object", "properties": {}}}
SESSION = {
    "type": "realtime",
    "model": "gpt-realtime",
    "tools": [TOOL],
    "tool_choice": "required",
    "audio": {"input": {"turn_detection": None}},
}


def key(server: Server) -> str:
    """Mint what the page may hold: its session calls a function, whose output is then spoken."""
    return minted(server, SESSION)


def tell(page: Page, item: dict[str, Any], **response: str) -> None:
    """Give the conversation an item, and ask for an answer."""
    events = [
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create", "response": response},
    ]
    page.evaluate(
        "(events) => events.forEach((event) => channel.send(JSON.stringify(event)))", events
    )


def until(page: Page, kind: str, times: int = 1) -> dict[str, Any]:
    """Wait for an event; return it."""
    page.wait_for_function(
        "([kind, times]) => told.filter(({ type }) => type === kind).length >= times",
        arg=[kind, times],
        timeout=WAIT_MS,
    )
    return dict(page.evaluate("(kind) => told.findLast(({ type }) => type === kind)", kind))


def spoken(server: Server, call_id: str, item_id: str) -> np.ndarray:
    """Return an item's audio as it was when it left; a data channel does not bear it."""
    with connect(
        f"{server.ws_url}?call_id={call_id}",
        additional_headers={"Authorization": f"Bearer {server.key}"},
        compression=None,
        max_size=None,
    ) as sideband:
        sideband.send(json.dumps({"type": "conversation.item.retrieve", "item_id": item_id}))
        while True:
            event = json.loads(sideband.recv(WAIT_MS / 1000))
            if event["type"] == "conversation.item.retrieved":
                [part] = event["item"]["content"]
                return as_sent(samples(base64.b64decode(part["audio"])))


@dataclass(frozen=True)
class Listened:
    """What a browser made of one weather."""

    heard: float
    """The part of the answer that it heard."""
    lost: int
    """Packets of the answer that never came."""
    mended: int
    """Those of them that were made good by the copy in the next."""


def listened(server: Server, folder: Path, weather: Weather, *, seed: int) -> Listened:
    """Call in fine weather, and hear an answer in this one."""
    with (
        serving(PAGES) as pages,
        browsing(silence(folder), one_address=True) as page,
        behind_relay(page, seed) as relay,
    ):
        page.goto(f"{pages}/standard.html")
        answered = page.evaluate("([base, key]) => call(base, key)", [server.url, key(server)])
        assert answered["status"] == 201, answered
        until(page, "session.created")
        record(page)
        text = [{"type": "input_text", "text": "count"}]
        tell(page, {"type": "message", "role": "user", "content": text})
        called = until(page, "response.function_call_arguments.done")
        until(page, "response.done")
        before = inbound(page)
        relay.both(weather)
        output = {"type": "function_call_output", "call_id": called["call_id"], "output": SAID}
        tell(page, output, tool_choice="none")
        until(page, "output_audio_buffer.stopped")
        page.wait_for_timeout(SETTLE_MS)
        relay.both(FINE)
        after = inbound(page)
        item = until(page, "response.done", times=2)["response"]["output"][0]["id"]
        heard = recorded(page)
        said = spoken(server, answered["location"].rsplit("/", 1)[1], item)
    came = {name: value - before.get(name, 0) for name, value in after.items()}
    assert bool(relay.down.lost) == bool(weather.loss)
    mended = came["fecPacketsReceived"] - came["fecPacketsDiscarded"]
    return Listened(heard_part(heard, said), int(came["packetsLost"]), int(mended))
