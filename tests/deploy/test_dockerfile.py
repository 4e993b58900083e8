"""What the Dockerfile promises; `make container-check` builds and runs it."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing
from tests.deploy import dockerfile

STAGES = dockerfile.read(ROOT / "Dockerfile")
IMAGES = ("gateway", "speech", "ovos", "allinone")
COMPILER = re.compile(r"\bg\+\+|\bgcc\b|\bswig\b|-dev\b")


def inherited(name: str, word: str) -> list[str]:
    """Return an instruction's nearest occurrence in a stage's lineage."""
    return next((s.all(word) for s in dockerfile.lineage(STAGES, name) if s.all(word)), [])


def copies() -> list[str]:
    """Return every source that comes out of the build context."""
    rests = [rest for stage in STAGES.values() for rest in stage.all("COPY")]
    return [word for rest in rests if "--from=" not in rest for word in rest.split()[:-1]]


def test_hadolint_finds_nothing() -> None:
    """The linter is content, with no rule off but those that the file names."""
    tool = ROOT / "var" / "venv" / "dev" / "bin" / "hadolint"
    if not tool.exists():
        missing("hadolint", "Run `python3 deploy/bootstrap.py dev`.")
    done = subprocess.run(
        [str(tool), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_base_image_is_pinned_and_can_be_replaced() -> None:
    """One argument names the base with its release; every stage comes from it or another stage."""
    text = (ROOT / "Dockerfile").read_text()
    assert "\nARG PYTHON_IMAGE=python:3.11-slim-bookworm\n" in text
    assert {s.origin for s in STAGES.values()} - set(STAGES) == {"${PYTHON_IMAGE}"}


@pytest.mark.parametrize("name", IMAGES)
class TestImage:
    """Every image that is started."""

    def test_user_is_not_root(self, name: str) -> None:
        """A number, so that an orchestrator can see it, and the last word on it."""
        assert inherited(name, "USER") == ["10001:10001"]

    def test_commands_are_in_exec_form(self, name: str) -> None:
        """No shell stands between the process and its signals."""
        assert STAGES[name].argv("CMD")
        assert STAGES[name].argv("HEALTHCHECK")
        assert not STAGES[name].all("ENTRYPOINT")

    def test_compiler_is_in_no_image(self, name: str) -> None:
        """What compiles stays in the stages that an image only copies from."""
        for stage in dockerfile.lineage(STAGES, name):
            for command in stage.all("RUN"):
                assert not COMPILER.search(command), stage.name

    def test_what_is_written_lies_in_a_volume_or_tmp(self, name: str) -> None:
        """The root may be read-only: state has a volume, and the worker keeps none."""
        if name == "speech":
            assert "/tmp/speech" in STAGES[name].argv("CMD")
        else:
            assert inherited(name, "VOLUME") == ['["/data"]']

    def test_labels_tell_version_and_licence(self, name: str) -> None:
        """The image says what it is."""
        rests = " ".join(r for s in dockerfile.lineage(STAGES, name) for r in s.all("LABEL"))
        for label in ("title", "description", "version", "revision", "licenses"):
            assert f"org.opencontainers.image.{label}=" in rests


def test_gateway_image_has_no_part_of_ovos() -> None:
    """It takes only the gateway's environment; licences and crashes of the others stay out."""
    rests = [r for s in dockerfile.lineage(STAGES, "gateway") for r in s.all("COPY")]
    assert {r.split()[0] for r in rests} == {"--from=gateway-env", "--from=source"}


def test_every_install_checks_hashes() -> None:
    """Packages come by a lock with hashes, or from wheels that such a lock has let in."""
    commands = [c for s in STAGES.values() for r in s.all("RUN") for c in r.split("&&")]
    installs = [c for c in commands if re.search(r"pip\b.* (install|wheel) ", c)]
    assert len(installs) == 6
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command, command


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    """Every source is in the tree, and `.dockerignore` lets it through, but not `var`."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    assert copies()
    for source in copies():
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, f"{a}*") for a in allowed), source
    assert not any("var".startswith(a) or "secrets".startswith(a) for a in allowed)


def test_locks_are_those_of_the_local_set_up() -> None:
    """An image holds what `make run` installs: the environments of bootstrap.py."""
    locks = {Path(s).name for s in copies() if s.startswith("requirements/")}
    assert locks == {"gateway.lock", "speech.lock", "skills.lock", "build.lock"}


def test_version_is_the_project_s() -> None:
    """An image built without arguments says the version of this tree."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in ("gateway", "speech", "ovos"):
        assert f"VERSION={version}" in STAGES[name].all("ARG")
