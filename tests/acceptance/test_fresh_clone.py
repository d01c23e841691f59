"""What a new user does: clone, the README's command, once more, and away with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO_TIMEOUT = 45 * 60


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The committed tree, without anything that lies beside it."""
    target = tmp_path_factory.mktemp("clone") / "hostler"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    yield target
    make(target, "demo-down")


def make(directory: Path, target: str, *, timeout: float = 600) -> str:
    """The output of a make target; fails with its end."""
    # What an activated environment of ours sets must not help the clone.
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        ["make", target],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"make {target}: {done.stdout[-4000:]}"
    return done.stdout


def test_the_demo_works_in_a_fresh_clone(clone: Path) -> None:
    assert make(clone, "demo", timeout=DEMO_TIMEOUT).strip().splitlines()[-1] == "demo: ok"


def test_a_second_demo_builds_nothing(clone: Path) -> None:
    output = make(clone, "demo", timeout=DEMO_TIMEOUT)
    assert output.strip().splitlines()[-1] == "demo: ok"
    assert "building" not in output


def test_demo_down_leaves_nothing(clone: Path) -> None:
    make(clone, "demo-down")
    done = subprocess.run(
        [clone / ".venv" / "bin" / "hostler", "local", "status"], capture_output=True, text=True, check=False
    )
    assert "absent" in done.stdout
    assert "left:" not in done.stdout
