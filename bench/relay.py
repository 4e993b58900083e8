"""CPU per relayed message, beside the upstream itself and LiteLLM's proxy: `python -m bench.relay`.

The upstream is `bench.floor`: every second append it answers with an audio delta. One message is
one that is relayed one way; `direct` is what the upstream itself uses. What is compared, the
relay and LiteLLM, is under load at the same time, half of the sessions each, so that whatever
else the machine does meets both; what each took of the other is the same for both. The other
figures are of interleaved rounds. Medians are printed, and the ratio of every round. The time to
connect is to `session.created`, new connections one after another; the first ones are not
counted, since they are what a proxy's caches begin with.
LiteLLM is left out, and said to be, where `python3 deploy/bootstrap.py litellm` was not run.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import websockets

from bench import messages
from tests.functional import server as servers
from tests.functional.server import ROOT, Server
from tests.servers import litellm

CONNECTS = 50
WARMING = 5
TRIPS = 200
MODEL = "relayed"


async def connect_ms(url: str, key: str) -> float:
    """Return the median time to `session.created`."""
    found = []
    for _ in range(WARMING + CONNECTS):
        began = time.perf_counter()
        async with websockets.connect(
            f"{url}?model={MODEL}",
            additional_headers={"Authorization": f"Bearer {key}"},
            compression=None,
        ) as socket:
            await socket.recv()
            found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found[WARMING:])


async def round_trip_ms(url: str, key: str) -> float:
    """Return the median time from an append to the delta that answers it."""
    append = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 1280})
    found = []
    async with websockets.connect(
        f"{url}?model={MODEL}",
        additional_headers={"Authorization": f"Bearer {key}"},
        compression=None,
    ) as socket:
        await socket.recv()
        for _ in range(TRIPS):
            await socket.send(append)  # the upstream answers every second one
            began = time.perf_counter()
            await socket.send(append)
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
    """Return the medians of each."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        floor = stack.enter_context(_floor())
        url = f"ws://127.0.0.1:{int((floor.stdout or sys.stdin).readline())}/v1/realtime"
        server = start(folder, url)
        stack.callback(server.stop)
        targets = {"direct": (url, "none", floor.pid)}
        targets["relay"] = (server.ws_url, server.key, server.process.pid)
        if litellm.available():
            base_url = url.replace("ws", "http", 1).removesuffix("/realtime")
            proxy = stack.enter_context(
                litellm.running(Path(folder) / "litellm", base_url, "none", [MODEL])
            )
            targets["litellm"] = (proxy.ws_url, proxy.key, proxy.pid)
        return _rounds(options, targets)


@contextmanager
def _floor() -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "bench.floor"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _rounds(
    options: argparse.Namespace, targets: Mapping[str, tuple[str, str, int]]
) -> dict[str, dict[str, float]]:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
    proxies = [name for name in targets if name != "direct"]
    for _ in range(options.rounds):
        for together in (["direct"], proxies):
            found = asyncio.run(_load(options, [targets[name] for name in together]))
            for name, figures in zip(together, found, strict=True):
                rounds[name].append(figures)
        for name, (target, key, _pid) in targets.items():
            rounds[name][-1]["connect_ms"] = asyncio.run(connect_ms(target, key))
            rounds[name][-1]["round_trip_ms"] = asyncio.run(round_trip_ms(target, key))
    if "litellm" in rounds:
        for own, other in zip(rounds["relay"], rounds["litellm"], strict=True):
            own["of_litellm"] = own["us_per_message"] / other["us_per_message"]
            print(f"round: relay {own['of_litellm']:.2f} of LiteLLM's CPU", flush=True)
    return {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in rounds.items()
    }


async def _load(
    options: argparse.Namespace, targets: Sequence[tuple[str, str, int]]
) -> list[dict[str, float]]:
    """Measure targets at the same time."""
    sessions = options.sessions // len(targets)
    loads = [
        messages.measure(url, key, [pid], sessions=sessions, seconds=options.seconds, model=MODEL)
        for url, key, pid in targets
    ]
    return await asyncio.gather(*loads)


def show(found: Mapping[str, Mapping[str, float]]) -> None:
    """Print the medians, and what the relay costs beside the others."""
    for name, figures in found.items():
        print(
            f"{name:8} {figures['us_per_message']:6.1f} us/message  "
            f"connect {figures['connect_ms']:5.2f} ms  "
            f"round trip {figures['round_trip_ms']:5.2f} ms  "
            f"generator {figures['generator_core']:.0%}"
        )
    relay, direct = found["relay"], found["direct"]
    print(
        f"relay over direct: connect +{relay['connect_ms'] - direct['connect_ms']:.2f} ms, "
        f"round trip +{relay['round_trip_ms'] - direct['round_trip_ms']:.2f} ms"
    )
    if "litellm" in found:
        print(f"relay / litellm: {relay['of_litellm']:.2f} of the CPU per message")
    else:
        print("litellm: not measured; run `python3 deploy/bootstrap.py litellm`")


def options_of(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what a run may be told."""
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def main() -> None:
    """Measure and print."""
    parser = options_of(argparse.ArgumentParser(description=__doc__))
    show(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
