"""Which voice's name reaches the synthesis plugin."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ovos_bridge.speech.protocol import Ask
from ovos_bridge.speech.synthesiser import SpeechSynthesiser
from realtime.engine import SessionFacts, SpeechRequest


class Worker:
    """A connection that keeps what is asked of it."""

    recognition_timeout_s = synthesis_timeout_s = 10.0
    connected = True

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def next_stream(self) -> int:
        """Number every stream alike: there is one."""
        return 1

    def remember(self, _stream: int, _owner: Any) -> None:
        """Nothing is told."""

    def forget(self, _stream: int) -> None:
        """Nothing is told."""

    def send(
        self, kind: Ask, _stream: int, payload: bytes = b"", *, droppable: bool = False
    ) -> bool:
        """Keep what is to be spoken."""
        if kind is Ask.TTS_SPEAK:
            assert not droppable
            self.asked.append(json.loads(payload))
        return True


@pytest.mark.parametrize(
    ("voice", "named"),
    [
        ("cedar", "cedar"),
        ("alloy", "en-gb"),
        ("anna", "de+f3"),
        ("voice_unknown", "en-gb"),
        ("http://10.0.0.1/model.onnx", "en-gb"),
        ("../../etc/voice", "en-gb"),
    ],
)
async def test_plugin_gets_names_of_the_contract_or_the_operator_only(
    voice: str, named: str
) -> None:
    """Plugins load what a name says, from files and addresses: a client's own id is none."""
    worker = Worker()
    session = SpeechSynthesiser(worker, {"alloy": "en-gb", "anna": "de+f3"}).open(
        SessionFacts(session_id="sess_1"), audio=lambda *_: None, sink=lambda _: None
    )
    session.speak(
        SpeechRequest(
            segment_id="seg_1",
            response_id="resp_1",
            text="hello",
            voice=voice,
            speed=1.0,
            language=None,
        )  # fmt: skip
    )
    session.close()
    assert [asked["voice"] for asked in worker.asked] == [named]
