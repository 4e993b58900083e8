"""Chooses a brain for each response by rules that an operator declares."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.engines.group import SessionGroup, Sink, Volunteer, opened
from gateway.settings.models import Route
from gateway.telemetry import metrics
from realtime.engine import BrainRequest, SessionFacts
from realtime.ports import Brain, BrainRun, BrainSession
from realtime.tools.calls import last_question


def meets(route: Route, request: BrainRequest) -> bool:
    """Say whether a response meets every condition of a route."""
    return (
        (route.items is None or len(request.items) >= route.items)
        and (route.words is None or len(last_question(request).split()) >= route.words)
        and (route.tools is None or bool(request.tools) == route.tools)
        and (route.images is None or any(i.images for i in request.items) == route.images)
    )


class RoutedSession(SessionGroup):
    """A session of each brain; the choice holds for a whole response."""

    def __init__(self, sessions: tuple[BrainSession, ...], routes: Sequence[Route]) -> None:
        super().__init__(sessions)
        self._routes = routes

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer with the brain of the first route that fits, else with the usual one."""
        for place, route in enumerate(self._routes, start=1):
            if meets(route, request):
                metrics.ROUTED.labels(route.to).inc()
                return self._sessions[place].prepare(request, sink)
        return self._sessions[0].prepare(request, sink)


class RoutedBrain:
    """`usual`, unless a route is met; the first that is, holds."""

    def __init__(self, usual: Brain, routes: Sequence[tuple[Route, Brain]]) -> None:
        self._brains = (usual, *(brain for _, brain in routes))
        self._routes = tuple(route for route, _ in routes)

    def open(self, facts: SessionFacts, volunteer: Volunteer | None = None) -> RoutedSession:
        """Serve a session."""
        return RoutedSession(opened(self._brains, facts, volunteer), self._routes)
