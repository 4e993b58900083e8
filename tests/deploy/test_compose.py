"""What docker-compose.yml promises."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.configuration import variables
from gateway.settings import SECRETS_DIR, Settings
from ovos_bridge.launch import environment
from tests.conftest import ROOT, missing
from tests.deploy import dockerfile

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SPLIT = dict(
    line.split("=", 1)
    for line in (ROOT / "deploy" / "compose" / "split.env").read_text().splitlines()
    if "=" in line and not line.startswith("#")
)
STAGES = dockerfile.read(ROOT / "Dockerfile")
SETTINGS = {v for name, field in Settings.model_fields.items() for v in variables(name, field)}
INTERPOLATED = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT))
COMPOSE_S_OWN = {"COMPOSE_PROFILES"}


def filled(text: str, given: dict[str, str]) -> str:
    """Put variables or their defaults in, as compose does."""
    return re.sub(
        r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], str(text)
    )


def test_dclint_finds_nothing() -> None:
    """The linter checks the file against the Compose specification and its rules."""
    folder = ROOT / "deploy" / "lint"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("Node.js", "Install nodejs and npm.")
        return
    wanted, stamp = (folder / "package-lock.json").read_text(), folder / "node_modules" / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        argv = [npm, "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True)
        stamp.write_text(wanted)
    tool = str(folder / "node_modules" / ".bin" / "dclint")
    argv = [tool, "--config", "deploy/lint/dclint.json", "--max-warnings", "0"]
    done = subprocess.run(
        [*argv, "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(SERVICES))
class TestService:
    """Every container."""

    def test_root_is_read_only_and_nothing_more_than_needed_is_allowed(self, name: str) -> None:
        """No capability, no new privilege, no write but to volumes and tmpfs."""
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["ulimits"] == {"core": 0}
        assert any(entry.startswith("/tmp:") for entry in service["tmpfs"])
        assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)

    def test_user_is_not_root(self, name: str) -> None:
        """A number of ours, or the image's own user by name."""
        assert SERVICES[name]["user"] in ("10001:10001", "postgres", "redis")

    def test_health_is_checked_and_resources_are_bounded(self, name: str) -> None:
        """Each has a check with a time limit, and a share of memory, CPU and processes."""
        check = SERVICES[name]["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert check["timeout"]
        assert check["start_period"]
        assert set(SERVICES[name]["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}

    def test_image_is_pinned_or_built_here(self, name: str) -> None:
        """What we build is never looked for in a registry; what we do not has a release."""
        service = SERVICES[name]
        if "build" in service:
            assert service["pull_policy"] == "build"
            assert filled(service["build"]["target"], {}) in STAGES
        else:
            assert re.fullmatch(r"[a-z]+:\d+(\.\d+)?-bookworm", filled(service["image"], {}))

    def test_volumes_and_secrets_are_declared(self, name: str) -> None:
        """Named volumes only: no folder of the host is handed in."""
        for entry in SERVICES[name].get("volumes", []):
            assert entry.split(":")[0] in COMPOSE["volumes"]
        assert set(SERVICES[name].get("secrets", [])) <= set(COMPOSE["secrets"])

    def test_only_the_gateway_is_published(self, name: str) -> None:
        """On loopback unless told otherwise; the bus, the worker and the stores nowhere."""
        service = SERVICES[name]
        if name == "gateway":
            (port,) = service["ports"]
            assert filled(port["host_ip"], {}) == "127.0.0.1"
            assert port["target"] == 8000
        elif name == "speech":
            assert service["network_mode"] == "none"
        else:
            assert service["networks"] == (["bus"] if name.startswith("ovos-") else ["stores"])
        assert name == "gateway" or "ports" not in service


def test_inner_networks_lead_nowhere() -> None:
    """Skills, which are other people's code, reach neither the internet nor the stores."""
    internal = {"internal": True}
    assert COMPOSE["networks"] == {"edge": {}, "bus": internal, "stores": internal}
    assert SERVICES["gateway"]["networks"] == ["edge", "bus", "stores"]


def test_plain_up_is_the_gateway_alone() -> None:
    """Everything else waits for its profile."""
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert profiles.pop("gateway") == []
    assert {p for names in profiles.values() for p in names} == {
        "speech", "ovos", "postgres", "redis",
    }  # fmt: skip
    assert all(profiles.values())
    for name, wanted in SERVICES["gateway"]["depends_on"].items():
        assert wanted["required"] is False, name


def test_variables_of_the_gateway_are_settings() -> None:
    """A name that the gateway does not read would be a promise without effect."""
    given = set(SERVICES["gateway"]["environment"]) - {"TZ"}
    assert given <= SETTINGS
    secrets = {str(SECRETS_DIR / name) for name in SERVICES["gateway"]["secrets"]}
    assert secrets <= {str(SECRETS_DIR / variable.lower()) for variable in SETTINGS}


class TestSplit:
    """`deploy/compose/split.env`, every part in a container of its own."""

    def test_every_variable_has_an_effect(self) -> None:
        """It is interpolated, or compose's own; every profile exists."""
        assert set(SPLIT) - COMPOSE_S_OWN <= INTERPOLATED
        profiles = {p for service in SERVICES.values() for p in service.get("profiles", [])}
        assert set(SPLIT["COMPOSE_PROFILES"].split(",")) == profiles

    def test_gateway_is_told_where_the_parts_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Socket, bus and database are where the other containers have them."""
        for name, value in SERVICES["gateway"]["environment"].items():
            monkeypatch.setenv(name, filled(value, SPLIT))
        settings = Settings()
        check = SERVICES["speech"]["healthcheck"]["test"]
        assert str(settings.speech_socket) == check[-1] == STAGES["speech"].argv("CMD")[-1]
        _, hub = environment.options_from(SERVICES["ovos-hub"]["command"][3:], "hub")
        _, core = environment.options_from(
            [filled(word, SPLIT) for word in SERVICES["ovos-core"]["command"][3:]], "core"
        )
        assert (hub.bus_host, hub.port) == (core.bus_host, core.port)
        assert settings.ovos_bus_url == f"ws://{hub.bus_host}:{hub.port}{environment.BUS_ROUTE}"
        assert hub.bus_host in SERVICES
        assert "@postgres/" in settings.database
        assert SERVICES["gateway"]["image"].startswith("voiceengine-${VOICEENGINE_TARGET")
        assert SPLIT["VOICEENGINE_TARGET"] in STAGES

    def test_gateway_and_worker_share_the_socket_s_volume(self) -> None:
        """As one user, since the socket is its owner's only."""
        shared = "speech-socket:/run/voiceengine"
        for name in ("gateway", "speech"):
            assert shared in SERVICES[name]["volumes"]
        assert SERVICES["gateway"]["user"] == SERVICES["speech"]["user"]


class TestPasswords:
    """None has a default, and none stands in the file."""

    def test_secret_without_a_file_is_empty(self) -> None:
        """PostgreSQL and Redis do not start on an empty password."""
        for secret in COMPOSE["secrets"].values():
            assert (ROOT / filled(secret["file"], {})).read_bytes() == b""

    def test_passwords_come_from_files(self) -> None:
        """No variable holds one, so that `docker inspect` shows none."""
        for name, service in SERVICES.items():
            for variable, value in service.get("environment", {}).items():
                if "PASSWORD" in variable:
                    assert variable.endswith("_FILE"), name
                    assert value.startswith("/run/secrets/")

    def test_redis_without_a_password_does_not_start(self, tmp_path: Path) -> None:
        """Its start, run here: no password is an exit, a password is never an argument."""
        script = SERVICES["redis"]["command"][2].replace("$$", "$")
        secret, conf = tmp_path / "secret", tmp_path / "redis.conf"
        script = script.replace("/run/secrets/voiceengine_redis_password", str(secret))
        script = script.replace("/tmp/redis.conf", str(conf)).replace("redis-server", "echo")
        secret.write_text("")
        assert (
            subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 64
        )
        secret.write_text("much-secret\n")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(conf)
        assert "requirepass much-secret\n" in conf.read_text()
        assert conf.stat().st_mode & 0o077 == 0


def test_secrets_are_kept_out_of_git_and_images() -> None:
    """Where `make compose-secrets` writes is ignored by both."""
    folder = Path(SPLIT["VOICEENGINE_DATABASE_PASSWORD_FILE"]).parts[0]
    assert f"/{folder}/" in (ROOT / ".gitignore").read_text().splitlines()
    assert f"!{folder}" not in (ROOT / ".dockerignore").read_text().splitlines()
