"""Measures the figures the project states: `python -m bench [--seconds N] [--only NAME…]`.

Starts its own servers on free ports and prints a table; results also go to
`bench/results/latest.json`. A run is void (and says so) when the generator used
more than 70 % of a core or sent less than 98 % of what was planned.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import websockets

from bench import calls, cascade, endings, listening, messages, relay, turns
from tests.functional import server as servers
from tests.functional.client import QUESTION
from tests.functional.server import ROOT, Server
from tests.servers import chat, speech

IDLE_SESSIONS = 200
LISTENING_SESSIONS = (20, 60, 120)
SPEECH_PYTHON = ROOT / "var" / "venv" / "speech" / "bin" / "python"


def start(folder: str, *, voice: bool, more: dict[str, str] | None = None) -> Server:
    env = {"VOICEENGINE_SPEECH_PYTHON": str(SPEECH_PYTHON), **(more or {})}
    if voice:
        env |= {"VOICEENGINE_SPEECH": "true", "VOICEENGINE_SKILLS": "true"}
    return servers.start(Path(folder), env=env)


def void(found: dict[str, float]) -> str:
    if found["generator_core"] > 0.7 or found["of_planned"] < 0.98:
        return " (VOID: the generator was the bottleneck)"
    return ""


REFERENCES = {"bare": "bench.bare", "websockets": "bench.floor", "uvicorn": "bench.stack"}
"""Servers that decode and answer, no more, in the same run as the gateway."""


def bench_messages(options: argparse.Namespace) -> dict[str, object]:
    """Echo engine without voice activity, beside the references, interleaved."""
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in (*REFERENCES, "gateway")}
    update: dict[str, object] = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    with tempfile.TemporaryDirectory() as folder:
        server = start(folder, voice=False)
        references = {
            name: subprocess.Popen(
                [sys.executable, "-m", module], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for name, module in REFERENCES.items()
        }
        try:
            server.wait_ready()
            targets = {name: (_url(process), process.pid) for name, process in references.items()}
            targets["gateway"] = (server.ws_url, server.process.pid)
            for _ in range(options.rounds):
                for name, (url, pid) in targets.items():
                    measuring = messages.measure(
                        url,
                        server.key,
                        [pid],
                        sessions=options.sessions,
                        seconds=options.seconds,
                        update=update if name == "gateway" else None,
                    )
                    rounds[name].append(asyncio.run(measuring))
        finally:
            for process in references.values():
                process.kill()
            server.stop()
    medians = {
        name: sorted(found, key=lambda r: r["us_per_message"])[len(found) // 2]
        for name, found in rounds.items()
    }
    for name, found in medians.items():
        print(
            f"{name:10} {found['us_per_message']:6.1f} us per message, "
            f"{found['messages_per_s']:.0f} messages/s{void(found)}"
        )
    own = medians["gateway"]["us_per_message"]
    ratios = {name: own / medians[name]["us_per_message"] for name in REFERENCES}
    print("gateway /  " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    return {**medians, "ratios": ratios}


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return f"ws://127.0.0.1:{process.stdout.readline().strip()}/v1/realtime"


def bench_idle(_options: argparse.Namespace) -> dict[str, object]:
    """Memory per idle session."""

    async def hold(url: str, key: str, pid: int) -> float:
        headers = {"Authorization": f"Bearer {key}"}

        async def one() -> websockets.ClientConnection:
            return await websockets.connect(
                f"{url}?model=echo", additional_headers=headers, compression=None
            )

        warm = [await one() for _ in range(20)]
        before = messages.memory_kib(pid)
        sockets = [await one() for _ in range(IDLE_SESSIONS)]
        await asyncio.sleep(2)
        after = messages.memory_kib(pid)
        for socket in [*sockets, *warm]:
            await socket.close()
        return (after - before) / IDLE_SESSIONS

    with tempfile.TemporaryDirectory() as folder:
        server = start(folder, voice=False)
        server.wait_ready()
        kib = asyncio.run(hold(server.ws_url, server.key, server.process.pid))
        server.stop()
    print(f"idle       {kib:6.1f} KiB per session ({IDLE_SESSIONS} sessions)")
    return {"kib_per_session": kib}


def bench_turns(options: argparse.Namespace) -> dict[str, object]:
    """Latency of a spoken question, and readiness."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        server = start(folder, voice=True)
        server.wait_ready()
        ready_s = time.monotonic() - began
        found = asyncio.run(
            turns.measure(server.ws_url, server.url[:-3], server.key, QUESTION, times=options.turns)
        )
        server.stop()
    print(f"ready      {ready_s:6.1f} s from start to /readyz 200")
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in found["stages_ms"].items())  # type: ignore[attr-defined]
    print(f"turn       p50 {found['p50_ms']:.0f} ms, p95 {found['p95_ms']:.0f} ms ({stages} ms)")
    return {"ready_s": ready_s, "turns": found}


def bench_listening(options: argparse.Namespace) -> dict[str, object]:
    """CPU with voice activity, gateway plus worker, for few and for many sessions."""
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        server = start(folder, voice=True)
        server.wait_ready()
        worker = subprocess.run(
            ["pgrep", "-P", str(server.process.pid), "-f", "ovos_bridge.speech.worker"],
            capture_output=True,
            text=True,
            check=True,
        )
        for sessions in LISTENING_SESSIONS:
            measuring = listening.measure(
                server.ws_url,
                server.key,
                server.process.pid,
                int(worker.stdout.split()[0]),
                QUESTION,
                sessions=sessions,
                seconds=options.seconds,
            )
            rounds.append(asyncio.run(measuring))
        server.stop()
    for found in rounds:
        print(
            f"listening  {found['sessions']:.0f} sessions: "
            f"{found['gateway_ms']:.1f} ms gateway + {found['worker_ms']:.1f} ms worker "
            f"per session and second, {found['sessions_per_core']:.0f} per core{void(found)}"
        )
    return {"rounds": rounds}


def bench_endings(options: argparse.Namespace) -> dict[str, object]:
    """When turns end, how often too early, and what that makes of the answer's first audio."""
    found = asyncio.run(endings.measure(each=options.each))
    with tempfile.TemporaryDirectory() as folder:
        server = start(folder, voice=True)
        server.wait_ready()
        audio = asyncio.run(endings.first_audio(server.ws_url, server.key, times=options.turns))
        server.stop()
    for name in endings.DETECTIONS:
        each = found[name]
        print(
            f"{name:20} commands end after {each['command_p50_ms']:.0f} ms "
            f"(most {each['command_max_ms']:.0f}), open sentences {each['open_p50_ms']:.0f} "
            f"(most {each['open_max_ms']:.0f}); "
            f"cut too early {each['cut_turns']} of {each['turns']} {each['cut']}; "
            f"first audio {audio[name]:.0f} ms"
        )
    print(f"a judgement of the words took {found['judged_after_ms_p50']:.0f} ms")
    return {**found, "first_audio_ms": audio}


def bench_relay(options: argparse.Namespace) -> dict[str, object]:
    """What a relay costs beside a direct connection and beside LiteLLM's proxy."""
    few = argparse.Namespace(sessions=30, seconds=options.seconds, rounds=options.rounds)
    found = relay.measure(few)
    relay.show(found)
    return {**found}


def bench_cascade(options: argparse.Namespace) -> dict[str, object]:
    """A chat model of fixed token times: what early answers and speech by clause save."""
    with ExitStack() as stack:
        model = stack.enter_context(chat.running())
        voice = stack.enter_context(speech.running())
        running: dict[str, Server] = {}
        for way in cascade.WAYS:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = start(folder, voice=False, more=cascade.settings(model.url, voice.url, way))
            stack.callback(server.stop)
            running[way] = server
        for server in running.values():
            server.wait_ready()
        found = asyncio.run(cascade.measure(running, QUESTION, times=options.turns))
        fates = {way: cascade.fates(server.url[:-3]) for way, server in running.items()}
    for way, each in found.items():
        medians = ", ".join(f"{name} {ms:.0f} ms" for name, ms in each.items())
        print(f"cascade    {way:12} {medians}; begun early: {fates[way] or 'none'}")
    return {way: {"first_audio_ms": found[way], "speculations": fates[way]} for way in found}


def bench_calls(options: argparse.Namespace) -> dict[str, object]:
    """Calls that talk both ways: the media path beside the library as it comes; the gateway."""
    found: dict[str, dict[str, float]] = {
        which: asyncio.run(calls.echo(which, seconds=options.seconds))
        for which in ("ours", "aiortc")
    }
    with tempfile.TemporaryDirectory() as folder:
        server = start(folder, voice=False)
        server.wait_ready()
        found["gateway"] = asyncio.run(calls.gateway(server, seconds=options.seconds))
        server.stop()
    calls.show(found)
    return {**found}


BENCHES = {
    "messages": bench_messages,
    "idle": bench_idle,
    "turns": bench_turns,
    "listening": bench_listening,
    "endings": bench_endings,
    "relay": bench_relay,
    "cascade": bench_cascade,
    "calls": bench_calls,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(BENCHES), choices=list(BENCHES))
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=120)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--each", action="store_true", help="print every turn of `endings`")
    options = parser.parse_args()
    results = {name: BENCHES[name](options) for name in options.only}
    folder = ROOT / "bench" / "results"
    folder.mkdir(exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
