"""The standard page talking to the echo engine: ask for a sound, hear it, see which way it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.functional.server import Server, minted

PAGES = Path(__file__).parent
ECHO = {"type": "realtime", "model": "echo"}
WAIT_MS = 30_000
_ASK = """() => {
  const content = [{ type: 'input_text', text: 'tone:1500' }];
  const item = { type: 'message', role: 'user', content };
  channel.send(JSON.stringify({ type: 'conversation.item.create', item }));
  channel.send(JSON.stringify({ type: 'response.create' }));
}"""
_USED = """async () => {
  const reports = [...(await peer.getStats()).values()];
  const used = reports.find((one) => one.type === 'transport').selectedCandidatePairId;
  const pair = reports.find((one) => one.id === used);
  const kind = (id) => reports.find((one) => one.id === id);
  return { local: kind(pair.localCandidateId), remote: kind(pair.remoteCandidateId) };
}"""


def key(server: Server) -> str:
    """Mint what a browser may hold."""
    return minted(server, ECHO)


def heard(page: Page) -> None:
    """Ask for a sound, and hear it."""
    page.wait_for_function("told.some((one) => one.type === 'session.created')", timeout=WAIT_MS)
    before = page.evaluate("heard.length ? heard.at(-1).energy : 0")
    page.evaluate(_ASK)
    page.wait_for_function(
        f"heard.length && heard.at(-1).energy > {before} + 0.001", timeout=WAIT_MS
    )


def dial(page: Page, origin: str, server: Server) -> None:
    """Call as OpenAI's guide shows it."""
    page.goto(f"{origin}/standard.html")
    answered = page.evaluate("([base, key]) => call(base, key)", [server.url, key(server)])
    assert answered["status"] == 201, answered


def used(page: Page) -> dict[str, Any]:
    """Return the candidates, local and remote, that media goes by."""
    return dict(page.evaluate(_USED))
