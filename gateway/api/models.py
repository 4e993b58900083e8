"""`GET /v1/models`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.callers import project_caller
from gateway.api.faults import UnknownModel, json_response
from gateway.identity.principal import Principal
from gateway.services import Services

OWNER = "voiceengine"
CREATED = 1_756_310_400
"""Unix seconds; when the first of these model names was published (2025-08-27)."""


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": OWNER}


class Models:
    """The endpoints."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def _names(self, caller: Principal) -> tuple[str, ...]:
        translating = self._services.translators.names(caller)
        return tuple(dict.fromkeys((*self._services.registry.names(caller), *translating)))

    async def list(self, request: Request) -> Response:
        """List the models the key may use."""
        principal = await project_caller(self._services, request)
        models = [_model(name) for name in self._names(principal)]
        return json_response({"object": "list", "data": models})

    async def retrieve(self, request: Request) -> Response:
        """Show one model."""
        principal = await project_caller(self._services, request)
        name = request.path_params["model"]
        if name not in self._names(principal):
            raise UnknownModel(name)
        return json_response(_model(name))
