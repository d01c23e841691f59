"""Levels that run side by side: what is printed when, and what one that fails does to the whole."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from levels import run
from patience import PATIENCE

SAYS = "import sys; print('\\n'.join(sys.argv[2:])); sys.exit(int(sys.argv[1]))"
"""Prints what it is given and ends with a status."""


def says(status: int, *lines: str) -> tuple[str, ...]:
    return (sys.executable, "-c", SAYS, str(status), *lines)


WAITS = """
import pathlib, sys, time
print(sys.argv[1], flush=True)
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
"""
"""Prints a text and waits until a file is there."""


def waits_for(file: Path, *, text: str = "begun") -> tuple[str, ...]:
    return (sys.executable, "-c", WAITS, text, str(file))


async def test_each_level_is_printed_whole_and_the_last_line_is_a_closing_line(tmp_path: Path) -> None:
    said: list[str] = []
    levels = {"one": says(0, "..", "2 passed in 1.00s"), "two": says(0, "...", "3 passed in 1.00s")}

    status = await run(levels, logs=tmp_path, say=said.append)

    assert status == 0
    assert sorted(said[1:]) == ["\n== one\n..\n2 passed in 1.00s", "\n== two\n...\n3 passed in 1.00s"]


async def test_one_that_fails_fails_the_whole_and_its_report_comes_last(tmp_path: Path) -> None:
    said: list[str] = []
    failing = says(2, "F.", "1 failed, 1 passed in 1.00s", "make[1]: *** [Makefile:1: bad] Error 1")
    good = waits_for(tmp_path / "ended")

    def say(text: str) -> None:
        said.append(text)
        if "FAILED" in text:
            (tmp_path / "ended").touch()

    status = await run({"bad": failing, "good": good}, logs=tmp_path, say=say)

    assert status == 1
    assert said[1].startswith("bad FAILED: ")
    assert said[2:] == ["\n== good\nbegun", "\n== bad FAILED\nF.\n1 failed, 1 passed in 1.00s"]


async def test_a_command_that_cannot_be_run_is_a_level_that_failed(tmp_path: Path) -> None:
    said: list[str] = []

    assert await run({"none": (str(tmp_path / "nothing"),)}, logs=tmp_path, say=said.append) == 1
    assert "nothing" in said[-1]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("pytest -q\n....  [ 40%]", "long 40%", id="a full line"),
        pytest.param("pytest -q\n..F.", "long 4 tests", id="less than a line"),
        pytest.param("bringing up nodes...", "long 0 tests", id="nothing yet"),
    ],
)
async def test_how_far_each_is_is_said_now_and_then(tmp_path: Path, text: str, want: str) -> None:
    enough = tmp_path / "enough"
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line == want:
            enough.touch()

    status = await asyncio.wait_for(
        run({"long": waits_for(enough, text=text)}, logs=tmp_path, say=say, every=0.05), timeout=PATIENCE
    )

    assert status == 0
    assert want in said


@pytest.fixture
def ignored() -> Iterator[None]:
    """As for a program that a shell runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interruption_reaches_every_level_and_waits_for_its_end(
    tmp_path: Path, number: signal.Signals, ignored: None
) -> None:
    """A level that is interrupted takes down what it has brought up."""
    tidies = (
        "import time\n"
        "try:\n    print('up', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('taken down'); raise SystemExit(2)"
    )
    command = (sys.executable, "-c", tidies)
    said: list[str] = []
    asked: list[signal.Signals] = []

    def say(text: str) -> None:
        said.append(text)
        logs = [tmp_path / f"{name}.log" for name in ("a", "b")]
        if [log.read_text() for log in logs] == ["up\n", "up\n"] and len(asked) == 0:
            asked.append(number)
            os.kill(os.getpid(), number)

    levels = {"a": command, "b": command}
    status = await asyncio.wait_for(run(levels, logs=tmp_path, say=say, every=0.05), timeout=PATIENCE)

    assert status == 1
    assert [text.splitlines()[-1] for text in said[-2:]] == ["taken down", "taken down"]


@pytest.mark.parametrize(("place", "want"), [(0, 0), (1, 5), (2, 10)])
async def test_the_level_named_first_has_the_processor_first(tmp_path: Path, place: int, want: int) -> None:
    command = (sys.executable, "-c", "import os; print(os.nice(0))")

    await run({str(number): command for number in range(3)}, logs=tmp_path, say=lambda text: None)

    mine = os.nice(0)
    assert int((tmp_path / f"{place}.log").read_text()) == min(19, mine + want)
