"""Runs levels of tests side by side: ``python tests/levels.py --logs DIRECTORY LEVEL...``; a level is a make target.

Levels on clusters wait for most of their time for pods, leases and probes, and the level that trains never waits, so
that together they end sooner than one after the other. The one named first has the processor first: what waits belongs
before what computes.

What a level prints is printed whole when it ends; the reports of those that failed come last, so that the last line is
always the closing line of a test run. Meanwhile a line now and then says how far each of them is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EVERY_SECONDS = 60.0
"""Between two lines about how far the levels are."""
NICER = 5
"""How many steps of ``nice`` each level stands behind the one named before it."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Level:
    """One make target that runs."""

    name: str
    log: Path
    process: asyncio.subprocess.Process

    def printed(self) -> str:
        """All that it printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def report(self) -> str:
        """What it printed, without its make's word that it failed: the make that runs this program says the same."""
        return re.sub(r"(\n|^)g?make(\[\d+\])?: \*\*\* \[.*\] Error \d+\s*$", "", self.printed()).rstrip()

    def progress(self) -> str:
        """How far pytest has said that it is: at the end of each full line, and in a dot for each test."""
        printed = self.printed()
        if found := re.findall(r"\[ *(\d+%)\]$", printed, re.MULTILINE):
            return str(found[-1])
        dots = re.findall(r"^[.FEsxX]+$", printed, re.MULTILINE)
        return f"{sum(map(len, dots))} tests"


async def run(
    commands: Mapping[str, Sequence[str]], *, logs: Path, say: Say = print, every: float = EVERY_SECONDS
) -> int:
    """Run the command of each level; 0 where all of them ended with 0.

    An interruption is passed on to all, and their ends are waited for: a level takes its clusters down.
    """
    levels: list[Level] = []
    # Before anything is started: who is started with SIGINT ignored, as in the background of a shell, passes that on.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _interrupt, levels)
    for place, (name, command) in enumerate(commands.items()):
        levels.append(await _start(name, command, log=logs / f"{name}.log", nice=NICER * place))
    say(f"side by side: {', '.join(commands)} (each is printed when it ends; until then see {logs})")
    running = {asyncio.create_task(level.process.wait()): level for level in levels}
    failed = []
    while running:
        ended, _ = await asyncio.wait(running, timeout=every, return_when=asyncio.FIRST_COMPLETED)
        for level, status in [(running.pop(task), task.result()) for task in ended]:
            if status:
                failed.append(level)
                say(f"{level.name} FAILED: its report comes last, and stands in {level.log} now")
            else:
                say(f"\n== {level.name}\n{level.report()}")
        if not ended:
            say(", ".join(f"{level.name} {level.progress()}" for level in running.values()))
    for level in failed:
        say(f"\n== {level.name} FAILED\n{level.report()}")
    return 1 if failed else 0


async def _start(name: str, command: Sequence[str], *, log: Path, nice: int) -> Level:
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *("nice", "-n", str(nice), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            # A signal of the terminal reaches this process alone, which passes it on once.
            start_new_session=True,
        )
    return Level(name, log, process)


def _interrupt(levels: Sequence[Level]) -> None:
    for level in levels:
        with suppress(ProcessLookupError):
            os.killpg(level.process.pid, signal.SIGINT)


def main() -> int:
    """Run the levels that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, required=True, help="directory for what each of them prints")
    parser.add_argument("levels", nargs="+", help="make targets")
    asked = parser.parse_args()
    make = os.environ.get("MAKE", "make")
    commands = {level: (make, "--no-print-directory", level) for level in asked.levels}
    asked.logs.mkdir(parents=True, exist_ok=True)
    return asyncio.run(run(commands, logs=asked.logs, say=lambda text: print(text, flush=True)))


if __name__ == "__main__":
    sys.exit(main())
