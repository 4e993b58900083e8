"""What a real browser hears of a call whose packets all pass our relay of bad networks."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from playwright.sync_api import Page

from tests.functional.scoring import ALIKE, HZ, LOUD, lag, samples
from tests.servers.impairment import Impairment, impaired

START_TIMEOUT_S = 10
FRAME = HZ // 25
"""40 ms: what is compared at once; of other words of the same voice, 2 % of them are as alike."""
REACH = HZ // 5
"""200 ms: how far a browser may move a frame against the one before, whose jitter buffer stretches
and shortens; so much is put in where either machine was late."""

_THROUGH = """
const described = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = async function through({ type, sdp }) {
  return described.call(this, { type, sdp: await throughRelay(sdp) });
};"""
_RECORD = f"""async () => {{
  const context = new AudioContext({{ sampleRate: {HZ} }});
  const tap = `registerProcessor('tap', class extends AudioWorkletProcessor {{
    process([heard]) {{
      if (heard.length) this.port.postMessage(heard[0].slice());
      return true;
    }}
  }});`;
  const address = URL.createObjectURL(new Blob([tap], {{ type: 'text/javascript' }}));
  await context.audioWorklet.addModule(address);
  const node = new AudioWorkletNode(context, 'tap');
  window.recorded = [];
  node.port.onmessage = ({{ data }}) => recorded.push(data);
  const stream = document.getElementById('voice').srcObject;
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
}}"""
_RECORDED = """() => {
  const told = new Int16Array(recorded.flatMap((piece) => [...piece].map(
    (value) => Math.round(Math.max(-1, Math.min(1, value)) * 32767))));
  return btoa(new Uint8Array(told.buffer).reduce((text, one) => text + String.fromCharCode(one), ''));
}"""
_INBOUND = """async () => [...(await peer.getStats()).values()].find(
  ({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')"""


@contextmanager
def behind_relay(page: Page, seed: int) -> Iterator[Impairment]:
    """Have a page's next call pass a relay, which runs in a thread of its own.

    The browser's offer has no candidates yet, so its answer is all that must be rewritten; it
    must use one address only (`launched(..., one_address=True)`), since the relay knows one.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    relay = impaired(seed)
    try:
        running = asyncio.run_coroutine_threadsafe(relay.__aenter__(), loop)
        impairment = running.result(START_TIMEOUT_S)
        page.expose_function("throughRelay", impairment.answered)
        page.add_init_script(_THROUGH)
        yield impairment
        ended = asyncio.run_coroutine_threadsafe(relay.__aexit__(None, None, None), loop)
        ended.result(START_TIMEOUT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def record(page: Page) -> None:
    """Keep what comes out of the browser's decoder from now on."""
    page.evaluate(_RECORD)


def recorded(page: Page) -> np.ndarray:
    """Return what was kept."""
    return samples(base64.b64decode(page.evaluate(_RECORDED)))


def inbound(page: Page) -> dict[str, float]:
    """Return the browser's own account of what came by RTP."""
    found = page.evaluate(_INBOUND) or {}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def heard_part(heard: np.ndarray, said: np.ndarray) -> float:
    """Return the part of the loud frames of what was said that was heard, one behind the other."""
    place = lag(heard, said[:HZ])
    alike: list[bool] = []
    for at in range(0, len(said) - FRAME, FRAME):
        frame = said[at : at + FRAME]
        if np.sqrt(np.mean(frame**2)) >= LOUD:
            begin = max(place + at - REACH, 0)
            found = _found(heard[begin : begin + FRAME + 2 * REACH], frame)
            alike.append(found is not None)
            place = place if found is None else begin + found - at
    return float(np.mean(alike))


def _found(around: np.ndarray, frame: np.ndarray) -> int | None:
    """Return where a frame was heard."""
    if len(around) < len(frame):
        return None
    products = np.correlate(around, frame, "valid")
    loudness = np.sqrt(np.convolve(around**2, np.ones(len(frame)), "valid"))
    likeness = products / np.maximum(loudness * np.linalg.norm(frame), 1e-9)
    best = int(np.argmax(likeness))
    return best if likeness[best] >= ALIKE else None
