"""Schemathesis walks the published document against the running server."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gateway.api.documents import OPENAPI
from tests.functional.server import Server


@schemathesis.serializer("application/sdp")
def as_text(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """Send an SDP body as it is."""
    return str(value).encode(errors="replace")


schema = schemathesis.openapi.from_path(OPENAPI)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
    unsupported_method,
]
EXAMPLES = 60


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_the_document_names(
    case: schemathesis.Case, plain_server: Server
) -> None:
    """Whatever is sent: no 5xx, a documented status, and a body that fits its schema."""
    case.call_and_validate(
        base_url=plain_server.url.removesuffix("/v1"),
        headers={"Authorization": f"Bearer {plain_server.key}"},
        checks=CHECKS,
    )
