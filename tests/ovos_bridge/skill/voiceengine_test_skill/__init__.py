"""A skill that does what real skills do at their edges; it runs inside core."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from ovos_utils import classproperty
from ovos_utils.process_utils import RuntimeRequirements
from ovos_workshop.decorators import intent_handler
from ovos_workshop.intents import IntentBuilder
from ovos_workshop.skills import OVOSSkill

OTHER_MACHINE = "192.0.2.1"


def _attempt(action: Any) -> str:
    try:
        action()
    except ConnectionRefusedError as error:
        return type(error).__name__
    except OSError as error:
        return f"open {type(error).__name__}"
    return "open"


class EdgeSkill(OVOSSkill):
    """Several answers, a question, a slow one, one unasked, a failure, silence, a call home."""

    @classproperty
    def runtime_requirements(self) -> RuntimeRequirements:
        """It needs nothing."""
        return RuntimeRequirements(
            internet_before_load=False,
            network_before_load=False,
            gui_before_load=False,
            requires_internet=False,
            requires_network=False,
            requires_gui=False,
            no_internet_fallback=True,
            no_network_fallback=True,
            no_gui_fallback=True,
        )

    @intent_handler(IntentBuilder("Several").require("SeveralKeyword"))
    def several(self, _message: Any) -> None:
        """Speak three times, waiting for the first to be heard."""
        self.speak("first", wait=True)
        self.speak("second")
        time.sleep(0.3)
        self.speak("third")

    @intent_handler(IntentBuilder("Ask").require("AskKeyword"))
    def ask(self, _message: Any) -> None:
        """Ask something and repeat the reply."""
        reply = self.get_response("Which color do you like?")
        self.speak(f"You said {reply}")

    @intent_handler(IntentBuilder("Slow").require("SlowKeyword"))
    def slow(self, _message: Any) -> None:
        """Take a while."""
        self.speak("working on it")
        time.sleep(3)
        self.speak("slow work is done")

    @intent_handler(IntentBuilder("Ring").require("RingKeyword"))
    def ring(self, _message: Any) -> None:
        """Speak now, and again in a second, when nobody asks."""
        self.schedule_event(self._rings, 1)
        self.speak("I will ring")

    def _rings(self, _message: Any) -> None:
        self.speak("ring ring", wait=True)
        self.speak("that was all")

    @intent_handler(IntentBuilder("Greet").require("GreetKeyword"))
    def greet(self, _message: Any) -> None:
        """Greet in the caller's language."""
        self.speak_dialog("greeting")

    @intent_handler(IntentBuilder("Fail").require("FailKeyword"))
    def fail(self, _message: Any) -> None:
        """Raise."""
        raise ValueError("meant to fail")

    @intent_handler(IntentBuilder("Silent").require("SilentKeyword"))
    def silent(self, _message: Any) -> None:
        """Say nothing."""

    @intent_handler(IntentBuilder("Leave").require("LeaveKeyword"))
    def leave(self, _message: Any) -> None:
        """Try every way out of the machine that Python has, and tell how it went."""
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ways = {
            "connection": lambda: socket.create_connection((OTHER_MACHINE, 80), timeout=0.5),
            "datagram": lambda: datagrams.sendto(b"words", (OTHER_MACHINE, 53)),
            "name": lambda: socket.getaddrinfo("example.org", 80),
            "child": lambda: subprocess.run([Path("/bin/true")], check=False),
        }
        self.speak(", ".join(f"{name} {_attempt(way)}" for name, way in ways.items()))
        datagrams.close()
