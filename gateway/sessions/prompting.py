"""Looks stored prompts up for sessions: before they begin, and within them."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.prompts import PromptStore
from realtime.errors import ServerFault
from realtime.events.session import SessionIn
from realtime.prompts import Prompted, prompt_of_session, prompted
from realtime.session.effects import FindPrompt
from realtime.session.inputs import Input, PromptFound, PromptUnavailable

_log = structlog.get_logger("prompts")


class ProjectPrompts:
    """The prompts of one project."""

    def __init__(self, store: PromptStore, project_id: str) -> None:
        self._store = store
        self._project_id = project_id

    async def supplied(self, session: SessionIn) -> Prompted | None:
        """Return what the prompt of a session to be begun supplies, None without a prompt.

        Raises:
            WireFault: there is no such prompt, or its variables do not fit.
        """
        wanted = prompt_of_session(session)
        if wanted is None:
            return None
        template = await self._store.find(self._project_id, wanted.id, wanted.version)
        return prompted(wanted, template, root="session")

    async def answer(self, asked: FindPrompt, post: Callable[[Input], None]) -> None:
        """Find what a live session asks for, and tell it."""
        try:
            template = await self._store.find(self._project_id, asked.prompt_id, asked.version)
        except (SQLAlchemyError, OSError, TimeoutError, ValueError) as error:
            _log.warning("prompt_not_read", prompt_id=asked.prompt_id, error=type(error).__name__)
            post(PromptUnavailable(asked.question, ServerFault()))
        else:
            post(PromptFound(asked.question, template))
