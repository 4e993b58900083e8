"""Credentials at relays (TURN): of limited time where a secret is shared (coturn's REST way)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCredential:
    """What opens a relay; `repr` does not show the password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"TurnCredential(user={self.user!r})"


def turn_credential(settings: Settings, name: str, *, now_s: float) -> TurnCredential | None:
    """Return a credential that lives as long as a session may, None without relays.

    `name` says in the relay's log whose it is; it is no secret.
    """
    if settings.turn_secret is not None:
        user = f"{int(now_s) + settings.session_max_minutes * 60}:{name}"
        secret = settings.turn_secret.get_secret_value().encode()
        # SHA-1 is what the protocol between relay and gateway has.
        mac = hmac.new(secret, user.encode(), hashlib.sha1).digest()
        return TurnCredential(user=user, password=base64.b64encode(mac).decode())
    if settings.turn_user is not None and settings.turn_password is not None:
        password = settings.turn_password.get_secret_value()
        return TurnCredential(user=settings.turn_user, password=password)
    return None


def ice_servers(settings: Settings, name: str, *, now_s: float) -> list[dict[str, object]]:
    """Return what a browser's `RTCPeerConnection` takes as `iceServers`.

    A password without end is not handed out: relays are named where a secret is shared.
    """
    servers: list[dict[str, object]] = []
    if settings.stun_url is not None:
        servers.append({"urls": [settings.stun_url]})
    credential = turn_credential(settings, name, now_s=now_s)
    if settings.turn_urls and settings.turn_secret is not None and credential is not None:
        servers.append(
            {
                "urls": list(settings.turn_urls),
                "username": credential.user,
                "credential": credential.password,
            }
        )
    return servers
