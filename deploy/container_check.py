"""Builds the Dockerfile and runs its images where there is no Docker: `make container-check`.

Needs root and Debian's buildah, podman, runc and debootstrap. The base image is a stand-in of the
same Debian release and Python version, made with debootstrap. Containers get what
docker-compose.yml promises: read-only root, no capability, no new privilege, the image's user.
Everything is kept in `var/containers`; `--fresh` forgets it first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "var" / "containers"
STAND_IN = "localhost/voiceengine-python-stand-in:3.11"
RELEASE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PYTHON = "ca-certificates,netbase,python3,python3-dev,python3-pip,python3-venv,tzdata"
TARGETS = ("gateway", "speech", "ovos", "allinone")
NEEDED = ("buildah", "podman", "runc", "debootstrap")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
SUBNET, HUB = "10.89.77.0/24", "10.89.77.2"
READY_TIMEOUT_S = 180.0
STORE = [f"--root={KEPT}/store", f"--runroot={KEPT}/run"]
HARDENED = (
    "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:size=256m,mode=1777", "--pids-limit=512", "--memory=2g",
)  # fmt: skip

RUNTIME = """\
#!/usr/bin/env python3
# runc, without resource limits: not every machine may raise them as podman wants to.
import json, os, sys
from pathlib import Path
words = sys.argv[1:]
for word, following in zip(words, [*words[1:], ""]):
    name, _, value = word.partition("=")
    if name in ("--bundle", "-b", "--process", "-p"):
        file = Path(value or following)
        file = file / "config.json" if file.is_dir() else file
        if file.is_file():
            told = json.loads(file.read_text())
            told.pop("rlimits", None)
            told.get("process", {}).pop("rlimits", None)
            file.write_text(json.dumps(told))
os.execvp("runc", ["runc", *words])
"""


def step(text: str) -> None:
    print(f"[containers] {time.monotonic() - STARTED_S:5.0f} s  {text}", flush=True)


STARTED_S = time.monotonic()


def run(*argv: str) -> str:
    """Run a program; return what it printed, or end with its words when it fails."""
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def podman(*argv: str) -> str:
    runtime = KEPT / "runtime"
    return run(
        "podman", *STORE, f"--runtime={runtime}", "--cgroup-manager=cgroupfs",
        "--events-backend=file", *argv,
    )  # fmt: skip


def buildah(*argv: str) -> str:
    return run("buildah", *STORE, *argv)


def stand_in() -> None:
    """Make the base image, unless it is there."""
    if STAND_IN in buildah("images", "--format={{.Name}}:{{.Tag}}"):
        return
    step("making the stand-in for the base image with debootstrap")
    root = KEPT / "base"
    shutil.rmtree(root, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={PYTHON}", RELEASE, str(root), MIRROR)
    if AUTHORITIES.exists():  # a machine behind a proxy of its own trusts more than Debian does
        shutil.copy(AUTHORITIES, root / "etc" / "ssl" / "certs")
        (root / "etc" / "pip.conf").write_text(f"[global]\ncert = {AUTHORITIES}\n")
    archive = KEPT / "base.tar"
    run("tar", "--create", f"--file={archive}", f"--directory={root}", ".")
    container = buildah("from", "scratch").strip()
    buildah("add", "--quiet", container, str(archive), "/")
    buildah("commit", "--quiet", "--rm", container, STAND_IN)
    shutil.rmtree(root)
    archive.unlink()


def build() -> None:
    for target in TARGETS:
        step(f"building {target}")
        buildah(
            "build", "--isolation=chroot", "--format=docker", "--layers", "--pull-never",
            f"--build-arg=PYTHON_IMAGE={STAND_IN}", f"--target={target}",
            f"--tag={image(target)}", ".",
        )  # fmt: skip
    sizes = buildah("images", "--format={{.Name}} {{.Size}}").splitlines()
    for line in sizes:
        if line.startswith("localhost/voiceengine-"):
            step(line.removeprefix("localhost/"))


def image(target: str) -> str:
    return f"localhost/voiceengine-{target}:check"


def start(name: str, target: str, *options: str, command: tuple[str, ...] = ()) -> None:
    podman("run", "--detach", f"--name={name}", *HARDENED, *options, image(target), *command)


def wait_for(name: str, *check: str) -> None:
    """Wait until a command succeeds in a container."""
    ends_at = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            podman("exec", name, *check)
        except SystemExit:
            if time.monotonic() > ends_at:
                print(podman("logs", name))
                raise
            time.sleep(1)
        else:
            return


def converse(name: str) -> None:
    """Ask for the time in writing, and hear the answer spoken."""
    argv = ["voiceengine", "call", "--key-file", "/data/dev.key", "--json"]
    told = json.loads(podman("exec", name, *argv, "--text", "what time is it"))
    step(f"{name}: {told['answered']!r}, {told['audio_s']} s of speech")
    if told["status"] != "completed" or told["audio_s"] < 0.5:
        raise SystemExit(f"{name}: no spoken answer: {told}")


def confined(name: str) -> None:
    """Fail unless the container's process has no right that it should not have."""
    status = podman("exec", name, "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    script = "for f in /x /app/x /opt/x; do touch $f 2>&- && echo $f; done; command -v g++ gcc"
    writable = podman("exec", name, "sh", "-c", f"{script} || true").split()
    wrong = [key for key in ("CapEff", "CapPrm", "CapBnd") if int(facts[key], 16)]
    if facts["Uid"].split() != ["10001"] * 4 or facts["NoNewPrivs"] != "1" or wrong or writable:
        raise SystemExit(f"{name} is not confined: {facts['Uid']}, {wrong}, {writable}")


def healthy(name: str) -> None:
    """Run the image's own health check."""
    kind, *argv = json.loads(podman("inspect", "--format={{json .Config.Healthcheck.Test}}", name))
    if kind != "CMD":
        raise SystemExit(f"{name}: the health check is not in exec form")
    wait_for(name, *argv)


def end(*names: str) -> None:
    """Stop containers as `docker stop` does; fail unless each ends by itself in good order."""
    for name in names:
        started_s = time.monotonic()
        podman("stop", "--time=40", name)
        code = podman("inspect", "--format={{.State.ExitCode}}", name).strip()
        step(f"{name}: ended with {code} after {time.monotonic() - started_s:.1f} s")
        if code != "0":
            raise SystemExit(f"{name} ended with {code}")


def all_in_one() -> None:
    step("allinone: embedded defaults in one container, without any network")
    start("allinone", "allinone", "--network=none", "--volume=check-state:/data")
    healthy("allinone")
    wait_for("allinone", "voiceengine", "health", "--ready")
    confined("allinone")
    converse("allinone")
    end("allinone")


def split() -> None:
    step("split: gateway, speech worker, hub and core in containers of their own")
    podman("network", "create", "--internal", f"--subnet={SUBNET}", "check-inner")
    inner = ("--network=check-inner", f"--add-host=ovos-hub:{HUB}")
    where = ("--bus-host", "ovos-hub", "--port", "8181")
    launch = ("python", "-m", "ovos_bridge.launch.hub", "--state-dir", "/tmp/hub", *where)
    start("hub", "ovos", *inner, f"--ip={HUB}", command=launch)
    wait_for("hub", "python", "-m", "ovos_bridge.launch.health", "hub", "--port", "8181")
    start("core", "ovos", *inner, "--volume=check-core:/data")
    start("speech", "speech", "--network=none", "--volume=check-socket:/run/voiceengine")
    start(
        "gateway", "gateway", *inner, "--volume=check-gateway:/data",
        "--volume=check-socket:/run/voiceengine",
        "--env=VOICEENGINE_SPEECH_SOCKET=/run/voiceengine/speech.sock",
        "--env=VOICEENGINE_OVOS_BUS_URL=ws://ovos-hub:8181/core",
    )  # fmt: skip
    healthy("speech")
    healthy("core")
    healthy("gateway")
    wait_for("gateway", "voiceengine", "health", "--ready")
    for name in ("hub", "core", "speech", "gateway"):
        confined(name)
    converse("gateway")
    end("gateway", "speech", "core", "hub")


def forget() -> None:
    """Remove the containers, volumes and network of a run before."""
    podman("rm", "--all", "--force", "--time=1")
    podman("volume", "rm", "--all", "--force")
    with contextlib.suppress(SystemExit):  # there is none
        podman("network", "rm", "--force", "check-inner")


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/container_check.py", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="build everything anew")
    options = parser.parse_args()
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        print(f"Needs root and {', '.join(NEEDED)}; missing: {', '.join(lacking) or 'root'}.")
        return 2
    if options.fresh and KEPT.exists():
        buildah("rmi", "--all", "--force")
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "runtime").write_text(RUNTIME)
    (KEPT / "runtime").chmod(0o755)
    stand_in()
    build()
    forget()
    try:
        all_in_one()
        split()
    finally:
        forget()
    step("good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
