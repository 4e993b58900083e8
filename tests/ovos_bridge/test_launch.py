"""The private world of OVOS's processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ovos_bridge.launch import environment, intent_cache, plan
from ovos_bridge.launch.environment import OvosOptions
from ovos_bridge.launch.guard import is_local

ROOT = Path(__file__).parents[2]


class TestTimezone:
    """The host's zone, without which OVOS tells the time of Kansas."""

    def test_variable_comes_first(self, tmp_path: Path) -> None:
        """TZ names the zone."""
        assert environment.host_timezone({"TZ": ":Asia/Tokyo"}, tmp_path) == "Asia/Tokyo"

    def test_link_of_localtime_is_read(self, tmp_path: Path) -> None:
        """/etc/localtime points into the zone tables."""
        (tmp_path / "etc").mkdir()
        link = tmp_path / "etc" / "localtime"
        link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
        assert environment.host_timezone({}, tmp_path) == "Europe/Berlin"

    def test_timezone_file_is_read(self, tmp_path: Path) -> None:
        """Debian writes the name into a file as well."""
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "timezone").write_text("America/Lima\n")
        assert environment.host_timezone({}, tmp_path) == "America/Lima"

    def test_unknown_zone_is_utc(self, tmp_path: Path) -> None:
        """A host that tells nothing has universal time; a POSIX rule is no name."""
        assert environment.host_timezone({"TZ": "EST5EDT,M3.2.0"}, tmp_path) == "Etc/UTC"


class TestEnvironment:
    """Nothing leaks in, nothing leaks out."""

    def test_secrets_are_not_inherited(self, tmp_path: Path) -> None:
        """Skills see no variable but those that a process needs."""
        given = {"PATH": "/bin", "VOICEENGINE_DATABASE_URL": "secret", "HOME": "/home/me"}
        made = environment.variables(tmp_path, given)
        assert made["PATH"] == "/bin"
        assert "secret" not in made.values()
        outside = [
            name
            for name, value in made.items()
            if value.startswith("/") and not value.startswith(str(tmp_path)) and name != "PATH"
        ]
        assert outside == []

    def test_configuration_is_private_and_has_the_zone(self, tmp_path: Path) -> None:
        """The file lies in folders of the owner only, and sets port, zone and no installer."""
        environment.write(tmp_path, OvosOptions(port=4242, timezone="Asia/Tokyo"))
        conf = tmp_path / "config" / "mycroft" / "mycroft.conf"
        made = json.loads(conf.read_text())
        assert made["websocket"]["port"] == 4242
        assert made["websocket"]["host"] == "127.0.0.1"
        assert made["location"]["timezone"]["code"] == "Asia/Tokyo"
        assert made["skills"]["installer"] == {"allow_pip": False}
        for name in ("home", "tmp", "config", "data", "state", "cache", "run"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0

    def test_command_line_carries_every_option(self, tmp_path: Path) -> None:
        """What is planned is what the launcher reads."""
        options = OvosOptions(
            port=1234,
            bus_host="ovos-hub",
            language="de-DE",
            secondary_languages=("en-US",),
            timezone="Europe/Berlin",
            allow_network=True,
            blacklisted_skills=("a.skill",),
            shipped_intents=False,
        )
        made = plan.core_plan(tmp_path, Path("python"), options)
        assert made.argv[1:3] == ("-m", "ovos_bridge.launch.core")
        assert environment.options_from(made.argv[3:], "core") == (tmp_path, options)
        assert made.env["PYTHONPATH"] == str(ROOT)
        assert plan.hub_plan(tmp_path, Path("python"), options).name == "hub"
        assert plan.bus_url(1234) == "ws://127.0.0.1:1234/core"


class TestGuard:
    """No caller's words leave the machine."""

    @pytest.mark.parametrize(
        "host", [None, "", "localhost", "127.0.0.1", "127.8.9.1", "::1", b"::1"]
    )
    def test_own_machine_is_local(self, host: object) -> None:
        """Loopback in all its forms stays open."""
        assert is_local(host)

    @pytest.mark.parametrize(
        "host", ["example.org", "192.0.2.1", "10.0.0.1", "0.0.0.0", "fe80::1%eth0"]
    )
    def test_other_machine_is_not_local(self, host: str) -> None:
        """Anything else is denied, private networks too."""
        assert not is_local(host)

    def test_guarded_process_reaches_loopback_only(self) -> None:
        """The hook denies each way out, and leaves the bus's own connection alone."""
        code = (
            "import os, socket, subprocess\n"
            "from ovos_bridge.launch import guard\n"
            "events = []\n"
            "guard.install(events.append)\n"
            "with socket.create_server(('127.0.0.1', 0)) as server:\n"
            "    socket.create_connection(server.getsockname(), timeout=1).close()\n"
            "socket.getaddrinfo('localhost', 80)\n"
            "ways = [lambda: socket.create_connection(('192.0.2.1', 80), timeout=1),\n"
            "        lambda: socket.getaddrinfo('example.org', 80),\n"
            "        lambda: socket.gethostbyname('example.org'),\n"
            "        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9)),\n"
            "        lambda: subprocess.run(['true']), lambda: os.system('true')]\n"
            "for way in ways:\n"
            "    try:\n"
            "        way()\n"
            "        print('open')\n"
            "    except guard.NetworkDenied:\n"
            "        pass\n"
            "print(len(events))\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert ran.stdout.split() == ["6"]

    def test_bus_outside_this_machine_is_the_one_way_out(self) -> None:
        """Core in a container reaches its bus by address and port, and nothing else."""
        code = (
            "import socket\n"
            "from ovos_bridge.launch import guard\n"
            "guard.install(lambda event: None, bus=('192.0.2.1', 8181))\n"
            "for address in (('192.0.2.1', 8181), ('192.0.2.1', 80), ('192.0.2.2', 8181)):\n"
            "    with socket.socket(type=socket.SOCK_DGRAM) as probe:\n"
            "        try:\n"
            "            probe.connect(address)\n"
            "        except guard.NetworkDenied:\n"
            "            print('denied')\n"
            "        except OSError:\n"
            "            print('open')\n"
            "        else:\n"
            "            print('open')\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert ran.stdout.split() == ["open", "denied", "denied"]


class TestIntentCache:
    """The trained intents that are shipped."""

    def test_shipped_archive_belongs_to_the_lock_file(self) -> None:
        """Another lock file needs `make intent-cache`."""
        assert intent_cache.archive_hash() == intent_cache.lock_hash()

    def test_pack_and_unpack_keep_every_file(self, tmp_path: Path) -> None:
        """Names with colons and braces survive, and the archive is the same each time."""
        source, target = tmp_path / "source", tmp_path / "target"
        (source / "en-US").mkdir(parents=True)
        (source / "en-US" / "a:b.pos.{c}.l.net").write_bytes(b"\x00\x01")
        archives = [tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"]
        assert [intent_cache.pack(source, archive) for archive in archives] == [1, 1]
        assert archives[0].read_bytes() == archives[1].read_bytes()
        assert "shipped" in intent_cache.unpack(target, archives[0])
        assert (target / "en-US" / "a:b.pos.{c}.l.net").read_bytes() == b"\x00\x01"
        assert "before" in intent_cache.unpack(target, archives[0])

    def test_missing_archive_says_that_it_takes_time(self, tmp_path: Path) -> None:
        """Without an archive the first start trains."""
        assert "minute" in intent_cache.unpack(tmp_path / "x", tmp_path / "none")
        assert "minute" in intent_cache.unpack(tmp_path / "x", None)
