"""Which of a component's processes came first."""

from __future__ import annotations

from pathlib import Path

from hostler.local.native.processes import oldest_first


def running(proc: Path, pid: int, *, started: int, name: str) -> None:
    """A process as /proc shows it; its start is the 22nd field."""
    after_name = ["S", *("0" for _ in range(18)), str(started), "0", "0"]
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(after_name)}\n")


def test_the_oldest_comes_first_although_numbers_began_again(tmp_path: Path) -> None:
    running(tmp_path, 32700, started=100, name="containerd")
    running(tmp_path, 412, started=300, name="a child) with (brackets")
    running(tmp_path, 409, started=200, name="containerd-shim")

    assert oldest_first({409, 412, 32700}, proc=tmp_path) == [32700, 409, 412]


def test_a_process_that_ended_meanwhile_is_left_out(tmp_path: Path) -> None:
    running(tmp_path, 7, started=1, name="etcd")

    assert oldest_first({7, 8}, proc=tmp_path) == [7]
