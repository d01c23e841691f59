"""Where prepared data lies on a volume, who prepares it, and who still needs it.

Jobs that share a claim share what they prepare: the same data, tokenizer and settings have the same key. One of them
prepares and keeps a lease, a small file that it touches; the others wait until the data is there or the lease is no
longer touched. A lease only saves work: shards and finished data get their names in one step and depend on the key
alone, so that two who prepare at once, after a network kept one of them away from the volume, do each other no harm.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.files import clear_directory, publish_directory

BEAT_SECONDS = 5.0
"""Between two touches of a lease."""
PATIENCE_SECONDS = 60.0
"""How long a lease may stay untouched, by the clock of whoever waits: machines need not agree on the time."""
FORGOTTEN_SECONDS = 30 * 86400.0
"""After which a mark counts for nothing: its job was deleted before it could take it away."""


class LeaseLostError(Exception):
    """Somebody else prepares this data now."""


@dataclass(frozen=True)
class Place:
    """The directories of one key."""

    root: Path
    key: str
    user: str
    """Name of the job. No two attempts of a job run at once, so what one of them has left is the next one's."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def target(self) -> Path:
        """The finished data; it is there completely or not at all."""
        return self.root / f"prepared-{self.key}"

    @property
    def under_way(self) -> Path:
        """What is made on the way: shards and the lease."""
        return self.root / f".preparing-{self.key}"

    @property
    def users(self) -> Path:
        """A file for each job that needs it."""
        return self.root / f"users-{self.key}"

    @property
    def _lease(self) -> Path:
        return self.under_way / "lease.json"

    def mark(self) -> None:
        """Say that this job needs it, so that nobody else takes it away."""
        self.users.mkdir(parents=True, exist_ok=True)
        (self.users / self.user).touch()

    def publish(self, finished: Path) -> None:
        """Give the finished data its name. Where somebody was faster, that stays: it is the same."""
        if not self.target.exists():
            publish_directory(finished, self.target)
        clear_directory(self.under_way)

    @contextmanager
    def held(
        self,
        *,
        inherits: bool = True,
        waiting: Callable[[str], None] = lambda user: None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
        beat: float = BEAT_SECONDS,
    ) -> Iterator[Callable[[], None] | None]:
        """Wait until the data is there (None), or until this process is the one to prepare it: then a function that
        raises ``LeaseLostError`` where it is that no more. ``waiting`` is told once who else is at it. Whoever does
        not inherit, because it has lost the lease before, waits for its own job's processes too."""
        told, seen, since = False, None, clock()
        while not self.target.exists():
            holder, state = self._holder()
            stale = state == seen and clock() - since >= patience
            if holder is None or stale or (inherits and holder == self.user):
                if self._take(stale=holder is not None):
                    break
                continue
            if state != seen:
                seen, since = state, clock()
            if not told:
                waiting(holder)
                told = True
            pause(min(1.0, beat))
        else:
            yield None
            return
        lost, done = threading.Event(), threading.Event()
        keeper = threading.Thread(target=self._keep, args=(lost, done, beat), name="lease", daemon=True)
        keeper.start()
        try:
            yield lambda: _refuse(lost)
        finally:
            done.set()
            keeper.join()
            if not lost.is_set():
                self._lease.unlink(missing_ok=True)

    def _holder(self) -> tuple[str | None, tuple[int, str] | None]:
        """Whose lease it is, and what changes with each touch."""
        try:
            text, touched = self._lease.read_text(), self._lease.stat().st_mtime_ns
            said = json.loads(text)
            return str(said["user"]), (touched, str(said["token"]))
        except FileNotFoundError:
            return None, None
        except (ValueError, KeyError, TypeError):  # killed while writing
            return "", (0, "")

    def _take(self, *, stale: bool) -> bool:
        """Write the own name down; False where somebody else was faster."""
        said = json.dumps({"user": self.user, "token": self.token})
        try:
            self.under_way.mkdir(parents=True, exist_ok=True)
            if stale:
                own = self.under_way / f".lease-{self.token}"
                own.write_text(said)
                own.replace(self._lease)
            else:
                with self._lease.open("x") as stream:
                    stream.write(said)
        except (FileExistsError, FileNotFoundError):  # the second: finished, and cleared away meanwhile
            return False
        return self._is_own()

    def _is_own(self) -> bool:
        found = self._holder()[1]
        return found is not None and found[1] == self.token

    def _keep(self, lost: threading.Event, done: threading.Event, beat: float) -> None:
        while not done.wait(beat):
            if self.under_way.exists() and not self._is_own():
                lost.set()
                return
            try:
                os.utime(self._lease)
            except OSError:  # finished and cleared away, or a volume that hesitates: others wait for a while
                continue


def release(root: Path, user: str, *, now: Callable[[], float] = time.time) -> int:
    """Take a job's marks away, and whatever no job needs any more; returns the bytes that this freed."""
    freed = 0
    for users in root.glob("users-*"):
        (users / user).unlink(missing_ok=True)
        if any(now() - other.stat().st_mtime < FORGOTTEN_SECONDS for other in users.iterdir()):
            continue
        place = Place(root, users.name.removeprefix("users-"), user)
        for path in (place.target, place.under_way):
            freed += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            clear_directory(path)
        clear_directory(users)
    return freed


def _refuse(lost: threading.Event) -> None:
    if lost.is_set():
        raise LeaseLostError


def shared_root(*, workspace: Path, volume: Path) -> Path:
    """Where jobs of a volume share prepared data: in the job's own directory where the volume is the job's alone."""
    if workspace != volume and workspace.is_relative_to(volume):
        return volume / ".shared"
    return workspace / "cache"


def made(root: Path) -> Path:
    """The directory, made where it is missing. Raises ``RuntimeFailure``."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"the volume's directory {root} cannot be written: {error.strerror}"
        ) from error
    return root
