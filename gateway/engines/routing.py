"""Chooses a recogniser for each utterance by the transcription model's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from realtime.engine import RecognitionReport, RecognitionRequest
from realtime.ports import Recogniser, RecognitionStream


class RoutingRecogniser:
    """The recogniser that a model's name is mapped to, else the default one."""

    def __init__(self, default: Recogniser, routes: Mapping[str, Recogniser]) -> None:
        self._default = default
        self._routes = dict(routes)

    def open(
        self, request: RecognitionRequest, sink: Callable[[RecognitionReport], None]
    ) -> RecognitionStream:
        """Start an utterance."""
        return self._routes.get(request.model, self._default).open(request, sink)
