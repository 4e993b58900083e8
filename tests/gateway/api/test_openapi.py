"""The OpenAPI document is what the code does."""

from __future__ import annotations

import copy
import json
from typing import Any, get_args

import pytest
import yaml
from starlette.routing import Route

from gateway.api import openapi
from gateway.api.documents import OPENAPI
from gateway.app import build_app, build_services
from gateway.settings import Settings
from realtime.events.client import MODELS
from realtime.events.server import ServerEvent


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The committed document."""
    return dict(yaml.safe_load(OPENAPI.read_text()))


def test_committed_document_is_the_generated_one(document: dict[str, Any]) -> None:
    """`make openapi` was run."""
    assert document == json.loads(json.dumps(openapi.document()))


PAGES = "/playground"
"""What people open in a browser is no API."""


def test_routes_equal_paths(document: dict[str, Any], tmp_path: Any) -> None:
    """Every HTTP route is documented with its methods, and nothing else is."""
    services, embedded = build_services(Settings(data_dir=tmp_path, speech=False, skills=False))
    served = {
        route.path: {method.lower() for method in route.methods or ()} - {"head"}
        for route in build_app(services, embedded).routes
        if isinstance(route, Route) and not route.path.startswith(PAGES)
    }
    documented = {
        path: set(item) & {"get", "post", "put", "patch", "delete"}
        for path, item in document["paths"].items()
    }
    assert served == documented


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    """No schema points to one that is not there."""
    names = set(document["components"]["schemas"])
    pointed = set(_references(copy.deepcopy(document)))
    assert {reference.rpartition("/")[2] for reference in pointed} <= names


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for part in node.values() for found in _references(part)]
    if isinstance(node, list):
        return [found for part in node for found in _references(part)]
    return []


def test_socket_events_are_listed_with_their_schemas(document: dict[str, Any]) -> None:
    """Each client and server event of the socket has a schema (DECISIONS 4)."""
    schemas = document["components"]["schemas"]
    clients, servers = document["x-realtime-client-events"], document["x-realtime-server-events"]
    assert len(clients) == len(MODELS)
    assert len(servers) == len(get_args(ServerEvent))
    assert set(clients) | set(servers) <= set(schemas)


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_stale_document_is_found_and_rewritten(
    arguments: list[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--check` fails on a stale document and leaves it; without it the document is written."""
    stale = tmp_path / "realtime.yaml"
    stale.write_text("openapi: 3.1.0\n")
    monkeypatch.setattr(openapi, "OPENAPI", stale)
    monkeypatch.setattr("sys.argv", ["openapi", *arguments])
    assert openapi.main() == (1 if arguments else 0)
    assert (stale.read_text() == "openapi: 3.1.0\n") == bool(arguments)
