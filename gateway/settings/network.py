"""Settings of the network that calls go through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

_URL: Final = re.compile(
    r"(?P<scheme>stun|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>udp|tcp))?"
)
_PORTS: Final = re.compile(r"(?P<low>[0-9]{1,5})-(?P<high>[0-9]{1,5})")
_PORT: Final = {"stun": 3478, "turn": 3478, "turns": 5349}
MOST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """A STUN or TURN server, from its URL (RFC 7064, 7065)."""

    scheme: str
    host: str
    port: int
    transport: str

    @classmethod
    def of(cls, url: str) -> IceServer:
        """Read a URL.

        Raises:
            ValueError: it is none, or the library has no way there.
        """
        found = _URL.fullmatch(url)
        if found is None or not 0 < int(found["port"] or 1) <= MOST_PORT:
            raise ValueError(f"{url!r} is no URL of a STUN or TURN server")
        scheme = found["scheme"]
        transport = found["transport"] or ("tcp" if scheme == "turns" else "udp")
        if scheme == "turns" and transport != "tcp":
            raise ValueError(f"{url!r}: TURN over DTLS is not supported, only over TLS")
        port = int(found["port"] or _PORT[scheme])
        return cls(scheme=scheme, host=found["host"].strip("[]"), port=port, transport=transport)


class NetworkSettings(BaseSettings):
    """Which way the media of calls goes."""

    # --- network of calls ---
    rtp_ports: str | None = Field(
        None,
        description="UDP ports that media may take, such as `40000-40999`: one per call and "
        "address. Without it the system chooses.",
    )
    rtp_tcp_port: int | None = Field(
        None,
        ge=0,
        le=MOST_PORT,
        description="TCP port for the media of callers without UDP, one for all calls and open "
        "while there are any; 0 takes a free one. Without it media goes by UDP only.",
    )
    rtp_addresses: list[IPv4Network | IPv6Network] = Field(
        default_factory=list,
        description="Addresses of this host, or networks that they are in, that media may take, a "
        'JSON list (`["10.0.0.5"]`); default: all but those of `rtp_skip_interfaces`, of loopback '
        "and of links.",
    )
    rtp_skip_interfaces: list[str] = Field(
        ["docker*", "br-*", "veth*", "virbr*", "cni*", "podman*", "lxc*", "lxd*", "vmnet*",
         "vboxnet*", "flannel*", "cali*"],
        description="Interfaces whose addresses callers cannot reach, a JSON list of patterns.",
    )  # fmt: skip
    public_address: IPv4Address | IPv6Address | None = Field(
        None,
        description="The address under which NAT shows this host outside, port by port the same. "
        "Callers are told it instead of the local one; `rtp_addresses` names that one where the "
        "default route does not.",
    )
    stun_url: str | None = Field(
        None,
        description="A server that tells under which address NAT shows this host: "
        "`stun:host:port`. No one else's is asked by default.",
    )
    turn_urls: list[str] = Field(
        default_factory=list,
        description="Relays for callers that cannot be reached, a JSON list of `turn:host:port`, "
        "`turn:host:port?transport=tcp` and `turns:host:port`. A call takes the first that "
        "answers; the playground's page is told all.",
    )
    turn_secret: SecretStr | None = Field(
        None,
        description="Secret shared with the relays (coturn's `static-auth-secret`), of which "
        "credentials of limited time are made.",
    )
    turn_user: str | None = Field(
        None, description="User at the relays, where they share no secret."
    )
    turn_password: SecretStr | None = Field(None, description="Password of `turn_user`.")
    turn_authority: Path | None = Field(
        None, description="PEM certificates to trust for `turns:` instead of the system's."
    )
    ice_relay_only: bool = Field(
        False, description="Send media through the relay only; callers learn no address of ours."
    )
    ice_forbidden_networks: list[IPv4Network | IPv6Network] = Field(
        default_factory=list,
        description="Networks in which no caller is, a JSON list: nothing is sent there, whatever "
        "an offer says, by relays neither. Links, reserved addresses and those of clouds' metadata "
        "always are; private networks only where they are named.",
    )
    ice_gather_timeout_s: float = Field(
        2.0,
        gt=0,
        le=8,
        description="Longest wait for STUN and TURN servers; a call is answered without the one "
        "that is late.",
    )
    ice_consent_interval_s: float = Field(
        4.0, gt=0, le=15, description="Time between two questions whether the caller is there."
    )
    ice_consent_timeout_s: float = Field(
        20.0,
        gt=0,
        le=28,
        description="A caller who does not answer these for so long is gone (RFC 7675: 30 s).",
    )

    @cached_property
    def port_range(self) -> range | None:
        """The ports of `rtp_ports`."""
        if self.rtp_ports is None:
            return None
        found = _PORTS.fullmatch(self.rtp_ports)
        low, high = (int(found["low"]), int(found["high"])) if found else (1, 0)
        if not 0 < low <= high <= MOST_PORT:
            raise ValueError(f"rtp_ports {self.rtp_ports!r} is no range such as '40000-40999'")
        return range(low, high + 1)

    @cached_property
    def stun_server(self) -> IceServer | None:
        """The server of `stun_url`."""
        return None if self.stun_url is None else IceServer.of(self.stun_url)

    @cached_property
    def turn_servers(self) -> tuple[IceServer, ...]:
        """The servers of `turn_urls`, in order."""
        return tuple(IceServer.of(url) for url in self.turn_urls)

    @model_validator(mode="after")
    def _network_is_sound(self) -> Self:
        _ = self.port_range
        if self.stun_server is not None and self.stun_server.scheme != "stun":
            raise ValueError("stun_url does not begin with 'stun:'")
        if any(server.scheme == "stun" for server in self.turn_servers):
            raise ValueError("turn_urls holds a STUN server")
        if (self.turn_user is None) != (self.turn_password is None):
            raise ValueError("turn_user and turn_password belong together")
        if self.turn_urls and self.turn_secret is None and self.turn_user is None:
            raise ValueError("turn_urls needs turn_secret, or turn_user and turn_password")
        if self.ice_relay_only and not self.turn_urls:
            raise ValueError("ice_relay_only needs turn_urls")
        return self
