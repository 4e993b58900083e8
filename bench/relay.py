"""CPU per relayed message, beside the same client on the upstream itself: `python -m bench.relay`.

The upstream is `bench.floor`: every second append it answers with an audio delta. One message is
one that is relayed one way. Direct and relayed runs are interleaved; medians are printed. The
time to connect is to `session.created`, new connections one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import websockets

from bench import messages
from tests.functional import server as servers
from tests.functional.server import ROOT, Server

CONNECTS = 50
MODEL = "relayed"


async def connect_ms(url: str, key: str) -> float:
    """Return the median time to `session.created`."""
    found = []
    for _ in range(CONNECTS):
        began = time.perf_counter()
        async with websockets.connect(
            f"{url}?model={MODEL}",
            additional_headers={"Authorization": f"Bearer {key}"},
            compression=None,
        ) as socket:
            await socket.recv()
            found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def start(folder: str, upstream: str) -> Server:
    """Start a gateway in front of an upstream."""
    relays = {MODEL: {"url": upstream, "model": MODEL, "api_key": "none"}}
    server = servers.start(Path(folder), env={"VOICEENGINE_RELAYS": json.dumps(relays)})
    server.wait_ready()
    return server


def measure(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the medians of both."""
    rounds: dict[str, list[dict[str, float]]] = {"direct": [], "relay": []}
    floor = subprocess.Popen(
        [sys.executable, "-m", "bench.floor"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            url = f"ws://127.0.0.1:{int((floor.stdout or sys.stdin).readline())}/v1/realtime"
            server = start(folder, url)
            targets = {"direct": (url, "none", floor.pid)}
            targets["relay"] = (server.ws_url, server.key, server.process.pid)
            for _ in range(options.rounds):
                for name, (target, key, pid) in targets.items():
                    load = messages.measure(
                        target, key, [pid],
                        sessions=options.sessions, seconds=options.seconds, model=MODEL,
                    )  # fmt: skip
                    rounds[name].append(asyncio.run(load))
                    rounds[name][-1]["connect_ms"] = asyncio.run(connect_ms(target, key))
            server.stop()
        finally:
            floor.kill()
            floor.wait()
    return {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in rounds.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    found = measure(parser.parse_args())
    for name, figures in found.items():
        print(
            f"{name:7} {figures['us_per_message']:6.1f} us/message  "
            f"connect {figures['connect_ms']:5.2f} ms  generator {figures['generator_core']:.0%}"
        )


if __name__ == "__main__":
    main()
