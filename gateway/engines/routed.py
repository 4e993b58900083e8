"""Chooses a brain for each response by rules that an operator declares."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.engines.group import (
    Member,
    SessionGroup,
    Sink,
    Volunteer,
    dropped,
    opened,
    speculations,
    spent,
)
from gateway.engines.reduced import reduced
from gateway.settings.models import Route
from gateway.telemetry import metrics
from realtime.engine import BrainRequest, BrainSpent, SessionFacts
from realtime.ports import Brain, BrainRun
from realtime.session.features import FEATURES
from realtime.tools.calls import last_question

MOST_REMEMBERED = 16
"""Responses whose choice a session remembers; far fewer are live at a time."""


def meets(route: Route, request: BrainRequest) -> bool:
    """Say whether a response meets every condition of a route."""
    return (
        (route.items is None or len(request.items) >= route.items)
        and (route.words is None or len(last_question(request).split()) >= route.words)
        and (route.tools is None or _has_functions(request) == route.tools)
        and (route.images is None or any(i.images for i in request.items) == route.images)
    )


def _has_functions(request: BrainRequest) -> bool:
    """Say whether there are functions of the client's; what the gateway runs is everybody's."""
    return any(tool.route.executor == "client" for tool in request.tools)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a route leads, and what may be asked for there."""

    route: Route
    brain: Brain
    features: Collection[str] = FEATURES


class RoutedRun:
    """One answer of whoever was chosen for it; the choice counts once the answer is wanted."""

    def __init__(
        self, session: RoutedSession, place: int, request: BrainRequest, sink: Sink
    ) -> None:
        self._session = session
        self._place = place
        self._response_id = request.response_id
        self._run = session.member(place).prepare(request, sink)

    def commit(self) -> None:
        """Answer."""
        self._session.chosen(self._response_id, self._place)
        self._run.commit()

    def cancel(self) -> None:
        """Answer no more."""
        self._run.cancel()

    def spent(self) -> BrainSpent | None:
        """Return what it has cost so far, None where nothing was begun yet."""
        return spent(self._run)

    def dropped(self) -> BrainSpent | None:
        """Return what was given up at the commit."""
        return dropped(self._run)


class RoutedSession(SessionGroup):
    """A session of each brain; the choice holds for a whole response, calls of tools included."""

    def __init__(self, members: tuple[Member, ...], ways: Sequence[Way]) -> None:
        super().__init__(members)
        self._ways = ways
        self._chosen: dict[str, int] = {}

    def member(self, place: int) -> Member:
        """Return the usual brain's session (0), or that of a way (from 1 on)."""
        return self._members[place]

    def prepare(self, request: BrainRequest, sink: Sink) -> BrainRun:
        """Begin an answer with the brain of the first route that fits, else with the usual one."""
        known = self._chosen.get(request.response_id)
        for place, way in enumerate(self._ways, start=1):
            if place == known or (known is None and meets(way.route, request)):
                taken = reduced(request, way.features)
                if taken is not None:
                    return RoutedRun(self, place, taken, sink)
        return RoutedRun(self, 0, request, sink)

    def chosen(self, response_id: str, place: int) -> None:
        """A response is answered by that brain, to its end."""
        if response_id in self._chosen:
            return
        if len(self._chosen) == MOST_REMEMBERED:
            del self._chosen[next(iter(self._chosen))]
        self._chosen[response_id] = place
        if place:
            metrics.ROUTED.labels(self._ways[place - 1].route.to).inc()


class RoutedBrain:
    """`usual`, unless a route is met; the first that is, holds.

    A route is not met by what its model does not take (`features`). An answer is begun
    early where the brain speculates that the route leads to.
    """

    def __init__(self, usual: Brain, ways: Sequence[Way]) -> None:
        self._brains = (usual, *(way.brain for way in ways))
        self._ways = tuple(ways)
        self.speculations = max(speculations(brain) for brain in self._brains)

    def open(self, facts: SessionFacts, volunteer: Volunteer | None = None) -> RoutedSession:
        """Serve a session."""
        return RoutedSession(opened(self._brains, facts, volunteer), self._ways)
