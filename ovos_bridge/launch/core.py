"""ovos-core with its skills: `python -m ovos_bridge.launch.core --state-dir DIR --port N`.

Stock ovos-core but for its thread pool (a handful of waiting skills would freeze
the stock one), its installer (off: it runs what anybody on the bus sends), one
round of loading and training instead of two, and the guard on the network.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ovos_bridge.launch import environment, guard, intent_cache, logs
from ovos_bridge.launch.phrase_book import PhraseBook
from ovos_bridge.launch.presence import CORE_HERE

EMITTER_THREADS = 64
RECONNECT_S = 0.25
SESSIONS_KEPT = 512
LOST_BUS_S = 10.0
"""Without the bus for this long the process ends, and its supervisor starts another."""

EXIT_BUS_LOST = 75


def _connect() -> Any:
    from ovos_bus_client import Message, MessageBusClient
    from pyee.executor import ExecutorEventEmitter

    class Client(MessageBusClient):  # type: ignore[misc, unused-ignore]
        """A bus client that comes back fast, and also after the hub closed in good order."""

        client: Any

        def run_forever(self) -> None:
            self.started_running = True
            while True:
                self.client.run_forever()
                self.connected_event.clear()
                time.sleep(RECONNECT_S)
                self.client = self.create_client()

        def on_open(self, *args: Any) -> None:
            super().on_open(*args)
            self.emit(Message(CORE_HERE))

        def on_error(self, *_args: Any) -> None:
            # The stock handler reconnects from in here, a stack frame deeper each time.
            self.connected_event.clear()

    pool = ThreadPoolExecutor(max_workers=EMITTER_THREADS, thread_name_prefix="ovos")
    bus = Client(emitter=ExecutorEventEmitter(pool))

    def answer(kind: str, data: dict[str, bool]) -> None:
        bus.on(kind, lambda m: bus.emit(m.reply(f"{kind}.response", data)))

    # Nobody else answers these, and core waits for a time-out each time it asks. "True",
    # or skills that do not say what they need are silently never loaded.
    answer("gui.status.request", {"connected": False})
    answer("ovos.PHAL.internet_check", {"internet_connected": True, "network_connected": True})
    return bus


def _check_matches(book: PhraseBook) -> None:
    """Take a match only when the phrase book vouches for it, however sure the network is."""
    from ovos_padatious.opm import PadatiousPipeline

    def checked(stock: Callable[..., Any]) -> Callable[..., Any]:
        def match(*args: Any, **kwargs: Any) -> Any:
            found = stock(*args, **kwargs)
            if found is None:
                return None
            vouched = book.vouches(found.match_type, found.utterance, found.match_data)
            return found if vouched else None

        return match

    for level in ("match_high", "match_medium", "match_low"):
        setattr(PadatiousPipeline, level, checked(getattr(PadatiousPipeline, level)))


def _leave_out_unused_matchers() -> None:
    """Padacioso comes with padatious; it is in no pipeline of ours and slow to fill."""
    from ovos_plugin_manager.pipeline import OVOSPipelineFactory

    stock = OVOSPipelineFactory.get_installed_pipeline_ids
    OVOSPipelineFactory.get_installed_pipeline_ids = staticmethod(
        lambda: [name for name in stock() if "padacioso" not in name]
    )


def _forget_old_sessions() -> None:
    """Core keeps the last state of every session it ever saw; callers send theirs anyway."""
    from ovos_bus_client.session import SessionManager

    known = SessionManager.sessions
    # In order of first appearance; a caller who outlives 512 others sends its session again.
    for session_id in [name for name in tuple(known) if name != "default"][:-SESSIONS_KEPT]:
        known.pop(session_id, None)


def _skill_manager(bus: Any) -> Any:
    from ovos_core.skill_manager import SkillManager

    class AllAtOnce(SkillManager):  # type: ignore[misc, unused-ignore]
        """Loads every skill, then trains once; the stock one trains again after "ready"."""

        def _load_on_startup(self) -> None:
            self._network_event.set()
            self._connected_event.set()
            self._load_on_internet()

        def _sync_skill_loading_state(self) -> None:
            return None

    return AllAtOnce(
        bus,
        enable_intent_service=True,
        enable_event_scheduler=True,
        enable_skill_api=True,
        enable_installer=False,
        enable_file_watcher=False,
        ready_hook=lambda: logs.say("core: ready"),
    )


def _run(state_dir: Path, options: environment.OvosOptions) -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    bus = _connect()
    bus.run_in_thread()
    logs.say("core: waiting for the bus")
    while not bus.connected_event.wait(0.2):
        if stopped.is_set():
            return
    archive = intent_cache.ARCHIVE if options.shipped_intents else None
    fresh = intent_cache.unpack(environment.intent_cache_dir(state_dir), archive)
    logs.say(f"core: loading skills, {fresh}")
    _check_matches(PhraseBook(bus))
    _leave_out_unused_matchers()
    manager = _skill_manager(bus)
    manager.start()
    lost_since: float | None = None
    while not stopped.wait(0.5):
        if bus.connected_event.is_set():
            lost_since = None
            _forget_old_sessions()
            continue
        lost_since = lost_since or time.monotonic()
        if time.monotonic() - lost_since > LOST_BUS_S:
            logs.say("core: the bus is gone")
            os._exit(EXIT_BUS_LOST)


def main(arguments: list[str] | None = None) -> None:
    """Run core until SIGTERM or SIGINT."""
    state_dir, options = environment.options_from(
        sys.argv[1:] if arguments is None else arguments, "ovos_bridge.launch.core"
    )
    state_dir = state_dir.absolute()
    environment.enter(state_dir, options)
    logger = logs.quiet(state_dir, "core")
    if not options.allow_network:
        bus = None if guard.is_local(options.bus_host) else (options.bus_host, options.port)
        guard.install(lambda event: logger.warning("denied %s", event), bus=bus)
    from ovos_config.locale import setup_locale

    setup_locale()
    _run(state_dir, options)
    # Skills leave threads behind that never end; there is nothing left to lose.
    os._exit(0)


if __name__ == "__main__":
    main()
