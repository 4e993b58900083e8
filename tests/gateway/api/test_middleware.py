"""What every answer carries and every request keeps to."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from gateway.api.middleware import BoundedBodies, NothingInternal, PlatformHeaders
from gateway.limits.memory import MemoryRateLimits
from gateway.telemetry import metrics
from tests.gateway.api.asgi import STALL, ask

BOUND = 1_000
LIMITS = MemoryRateLimits(requests_per_minute=9, tokens_per_minute=9, monotonic_s=lambda: 1.0)


async def echo(request: Request) -> Response:
    """Return the body."""
    return Response(await request.body())


async def broken(_request: Request) -> Response:
    """Fail with something nobody may see."""
    raise RuntimeError("the password is hunter2")


async def half(_request: Request) -> Response:
    """Fail after the answer began."""

    class Failing(Response):
        async def __call__(self, scope: object, receive: object, send: Callable) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError

    return Failing()


@pytest.fixture
def app() -> Starlette:
    """The middleware around three endpoints."""
    return Starlette(
        routes=[
            Route("/echo", echo, methods=["POST"]),
            Route("/broken", broken),
            Route("/half", half),
        ],
        middleware=[
            Middleware(PlatformHeaders, limits=LIMITS),
            Middleware(BoundedBodies, most_bytes=BOUND, timeout_s=0.05),
            Middleware(NothingInternal),
        ],
    )


class TestPlatformHeaders:
    """CONTRACT 3."""

    async def test_every_answer_has_them(self, app: Starlette) -> None:
        """Id, version and time, on good and on bad answers."""
        for path in ("/echo", "/broken", "/none"):
            answer = await ask(app, "POST" if path == "/echo" else "GET", path)
            assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
            assert answer.headers["openai-version"] == "2020-10-01"
            assert answer.headers["openai-processing-ms"].isdigit()
            assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_ids_differ(self, app: Starlette) -> None:
        """Each request has its own."""
        answers = [await ask(app, "POST", "/echo") for _ in range(5)]
        assert len({answer.headers["x-request-id"] for answer in answers}) == 5

    async def test_clients_header_does_not_become_the_id(self, app: Starlette) -> None:
        """A stranger cannot write into our logs by naming an id."""
        answer = await ask(app, "POST", "/echo", headers={"x-request-id": "mine"})
        assert answer.headers["x-request-id"] != "mine"

    async def test_request_is_counted_by_route_not_by_path(self, app: Starlette) -> None:
        """A scan of made-up paths makes no new metric label."""
        await ask(app, "GET", "/secret-7f3a")
        await ask(app, "POST", "/echo")
        samples = [s for m in metrics.HTTP_REQUESTS.collect() for s in m.samples]
        routes = {sample.labels["route"] for sample in samples}
        assert "/echo" in routes
        assert "/secret-7f3a" not in routes


class TestBoundedBodies:
    """Bounds hold whatever the client says about its length."""

    async def test_body_at_the_bound_is_taken(self, app: Starlette) -> None:
        """In one part or in many."""
        whole = b"x" * BOUND
        assert (await ask(app, "POST", "/echo", body=[whole])).body == whole
        pieces = [whole[at : at + 100] for at in range(0, BOUND, 100)]
        assert (await ask(app, "POST", "/echo", body=pieces)).body == whole

    @pytest.mark.parametrize(
        "parts", [[b"x" * (BOUND + 1)], [b"x" * 100] * 11, [b"x" * BOUND] * 50]
    )
    async def test_body_over_the_bound_is_413(self, app: Starlette, parts: list[bytes]) -> None:
        """The answer is in the envelope."""
        answer = await ask(app, "POST", "/echo", body=parts)
        assert answer.status == 413
        assert answer.json()["error"]["code"] == "request_too_large"

    async def test_stalled_body_is_408(self, app: Starlette) -> None:
        """A client that stops in the middle does not hold the request for ever."""
        answer = await ask(app, "POST", "/echo", body=[b"x", STALL, b""])
        assert answer.status == 408
        assert answer.json()["error"]["code"] == "request_timeout"

    async def test_client_that_leaves_gets_no_effect(self, app: Starlette) -> None:
        """Half a body never reaches an endpoint."""
        answer = await ask(app, "POST", "/echo", body=[b"half", None])
        assert answer.status == 0


class TestNothingInternal:
    """A fault of ours."""

    async def test_client_gets_the_contracts_sentence(self, app: Starlette) -> None:
        """500 in the envelope; nothing of the exception leaves the process."""
        with capture_logs() as logs:
            answer = await ask(app, "GET", "/broken")
        assert answer.status == 500
        assert answer.json()["error"]["type"] == "server_error"
        assert b"hunter2" not in answer.body
        (line,) = [log for log in logs if log["event"] == "request_failed"]
        assert line["request_id"] == answer.headers["x-request-id"]

    async def test_answer_that_began_is_broken_off(self, app: Starlette) -> None:
        """A second status line would corrupt the first answer."""
        with pytest.raises(RuntimeError):
            await ask(app, "GET", "/half")
