"""Sets the environments up with nothing but Python: `python3 deploy/bootstrap.py NAME…`.

Names: gateway, dev, speech, plugins, conformance, conformance-NAME for each client of the
matrix that has an environment of its own, litellm for the bench, llama for the soak. Each is made
from its lock file by plain pip and made again when the lock changes. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VAR = Path(os.environ.get("VOICEENGINE_BOOTSTRAP_DIR", ROOT / "var"))
VENVS = VAR / "venv"
BUILD_PACKAGES = ("g++", "swig", "libfann-dev", "python3-dev")
PROGRESS_S = 2.0

LOCKS = {
    "gateway": ("gateway.lock",),
    "dev": ("dev.lock",),
    "conformance": ("conformance.lock",),
    "conformance-openai2": ("conformance-openai2.lock",),
    "conformance-agents": ("conformance-agents.lock",),
    "conformance-livekit": ("conformance-livekit.lock",),
    "conformance-pipecat": ("conformance-pipecat.lock",),
    "conformance-beta": ("conformance-beta.lock",),
    "litellm": ("litellm.lock",),
    "llama": ("llama.lock",),
    "speech": ("speech.lock",),
}
SKILLS_LOCK = "skills.lock"
PLUGINS_LOCK = "plugins.lock"
PLUGINS_SOURCE = ROOT / "ovos_bridge" / "plugins" / "install.py"


def say(text: str) -> None:
    """Print at once."""
    print(f"[setup] {text}", flush=True)


def digest(*names: str) -> str:
    """Return what an environment made from these locks would be stamped with."""
    state = hashlib.sha256(sys.version.encode())
    for name in names:
        state.update((ROOT / "requirements" / name).read_bytes())
    return state.hexdigest()


class Progress:
    """Says every two seconds how long a step has been running."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._ended = threading.Event()
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        say(f"{self._what} …")
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def _tick(self) -> None:
        while not self._ended.wait(PROGRESS_S):
            say(f"{self._what} … {time.monotonic() - self._started:.0f} s")

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        say(f"{self._what}: {time.monotonic() - self._started:.0f} s")


def run(argv: list[str], *, log: Path) -> int:
    """Run a program with its output in a log; return its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.call(argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def pip_install(venv: Path, lock: str, *, count: int, more: Sequence[str] = ()) -> bool:
    """Install a lock into an environment; say so when it fails."""
    log = VAR / "log" / f"setup-{venv.name}.log"
    argv = [str(venv / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--require-hashes"]
    argv += ["--disable-pip-version-check", "--no-input", "-q"]
    argv += [*more, "-r", str(ROOT / "requirements" / lock)]
    with Progress(f"installing {count} packages of {lock}"):
        failed = run(argv, log=log) != 0
    if failed:
        say(f"FAILED: {lock}; see {log}")
    return not failed


def packages(lock: str) -> int:
    """Return how many packages a lock names."""
    lines = (ROOT / "requirements" / lock).read_text().splitlines()
    return sum("==" in line for line in lines)


def make(name: str) -> Path:
    """Return an environment that matches its locks."""
    venv = VENVS / name
    stamp = venv / "stamp"
    wanted = digest(*LOCKS[name])
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        venv.parent.mkdir(parents=True, exist_ok=True)
        with Progress(f"making the {name} environment"):
            subprocess.check_call([sys.executable, "-m", "venv", str(venv)])
        for lock in LOCKS[name]:
            if not pip_install(venv, lock, count=packages(lock)):
                raise SystemExit(1)
        link_project(venv)
        stamp.write_text(wanted)
    return venv


def link_project(venv: Path) -> None:
    """Let the environment import this tree."""
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "voiceengine.pth").write_text(f"{ROOT}\n")
    command = venv / "bin" / "voiceengine"
    command.write_text(
        f"#!{venv / 'bin' / 'python'}\nimport sys\nfrom gateway.cli import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)


def make_speech() -> None:
    """Make the speech environment; skills are added where their engine can be built."""
    venv = make("speech")
    plugins = venv / "plugins-installed"
    entry_points = hashlib.sha256(PLUGINS_SOURCE.read_bytes()).hexdigest()
    if not plugins.exists() or plugins.read_text() != entry_points:
        argv = [str(venv / "bin" / "python"), "-m", "ovos_bridge.plugins.install"]
        subprocess.check_call(argv, cwd=ROOT)
        plugins.write_text(entry_points)
    stamp = venv / "skills-stamp"
    wanted = digest(SKILLS_LOCK)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not ready_to_build():
        return
    if pip_install(venv, SKILLS_LOCK, count=packages(SKILLS_LOCK)):
        stamp.write_text(wanted)
    else:
        say("Skills are not installed; everything else works without them.")


def make_plugins() -> None:
    """Put the plugins that tests use into a folder beside the speech environment."""
    target, stamp = VENVS / "plugins", VENVS / "plugins" / "stamp"
    wanted = digest(PLUGINS_LOCK)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(target, ignore_errors=True)
    argv = ["--target", str(target)]
    if pip_install(VENVS / "speech", PLUGINS_LOCK, count=packages(PLUGINS_LOCK), more=argv):
        stamp.write_text(wanted)


def has_build_parts() -> bool:
    """Say whether fann2, the intent engine's library, can be built here."""
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return all(
        (
            shutil.which("g++"),
            shutil.which("swig"),
            Path("/usr/include/fann.h").exists() or Path("/usr/local/include/fann.h").exists(),
            headers.exists(),
        )
    )


def ready_to_build() -> bool:
    """Install what the intent engine is built with, where we may; else print the command."""
    if has_build_parts():
        return True
    if not shutil.which("apt-get"):
        say(f"Skills need a C++ compiler, swig, libfann and Python's headers ({BUILD_PACKAGES}).")
        return False
    prefix: list[str] | None = [] if os.geteuid() == 0 else None
    if (
        prefix is None
        and shutil.which("sudo")
        and not subprocess.call(
            ["sudo", "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    ):
        prefix = ["sudo", "-n"]
    command = f"sudo apt-get install -y {' '.join(BUILD_PACKAGES)}"
    if prefix is None:
        say(f"Skills need Debian packages. Run this once, then again `make run`:\n    {command}")
        say("Going on without skills.")
        return False
    log = VAR / "log" / "setup-apt.log"
    with Progress("installing Debian packages for the skills' intent engine"):
        run([*prefix, "apt-get", "update", "-qq"], log=log)
        run([*prefix, "apt-get", "install", "-y", "-qq", *BUILD_PACKAGES], log=log)
    if not has_build_parts():
        say(f"That did not work; see {log}. By hand: {command}")
        say("Going on without skills.")
        return False
    return True


def main(names: list[str]) -> int:
    """Make the named environments."""
    if sys.version_info < (3, 11):
        say(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}.")
        return 1
    for name in names:
        if name == "speech":
            make_speech()
        elif name == "plugins":
            make_plugins()
        elif name in LOCKS:
            make(name)
        else:
            say(f"There is no environment {name!r}; there are {sorted([*LOCKS, 'plugins'])}.")
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
