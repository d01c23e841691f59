"""Where torch comes from: PyPI's pinned wheel, or an index that already has a CPU build."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from hostler.local.torchwheel.errors import TorchWheelError
from hostler.local.torchwheel.pins import PLATFORM, TORCH_VERSION, WHEEL_SHA256

_CHUNK = 1 << 20


def fetch_pinned(*, python: str, into: Path) -> Path:
    """PyPI's wheel (or that of the index pip is configured for), its hash checked by pip and again here."""
    if platform.machine() != "x86_64":
        raise TorchWheelError(
            f"the wheel is repacked for x86_64 only, this machine is {platform.machine()}: "
            "take PyTorch's own build with --from-index https://download.pytorch.org/whl/cpu"
        )
    expected = pinned_sha256(python)
    requirements = into / "torch.txt"
    requirements.write_text(f"torch=={TORCH_VERSION} --hash=sha256:{expected}\n")
    _pip_download(
        ["--require-hashes", "--platform", PLATFORM, "--implementation", "cp", "--python-version", python,
         "--requirement", str(requirements)],
        into=into,
    )  # fmt: skip
    wheel = _single_wheel(into)
    if (found := sha256_of(wheel)) != expected:
        raise TorchWheelError(f"{wheel.name} has SHA-256 {found}, expected {expected}: remove it and try again")
    return wheel


def fetch_from_index(url: str, *, python: str, into: Path) -> Path:
    """A CPU build as the index has it, taken as it is."""
    _pip_download(
        ["--index-url", url, "--python-version", python, "--platform", f"manylinux_2_28_{platform.machine()}",
         "--implementation", "cp", f"torch=={TORCH_VERSION}"],
        into=into,
    )  # fmt: skip
    return _single_wheel(into)


def pinned_sha256(python: str) -> str:
    """The hash of the wheel for one Python version."""
    try:
        return WHEEL_SHA256[python]
    except KeyError:
        raise TorchWheelError(
            f"no pinned torch {TORCH_VERSION} for Python {python}: choose one of {', '.join(WHEEL_SHA256)}"
        ) from None


def sha256_of(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pip_download(arguments: list[str], *, into: Path) -> None:
    command = [*_pip(), "download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary", ":all:",
               "--dest", str(into), *arguments]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TorchWheelError(
            f"pip could not download torch {TORCH_VERSION}: {done.stderr.strip() or done.stdout.strip()}\n"
            "Check the package index that pip is configured for (`pip config list`)."
        )


def _pip() -> list[str]:
    """Some pip: a virtual environment made by uv has none of its own."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for candidate in ("pip3", "pip"):
        if found := shutil.which(candidate):
            return [found]
    raise TorchWheelError("pip is not installed: install the package `python3-pip`")


def _single_wheel(directory: Path) -> Path:
    wheels = sorted(directory.glob("torch-*.whl"))
    if len(wheels) != 1:
        raise TorchWheelError(f"expected one torch wheel in {directory}, found {[wheel.name for wheel in wheels]}")
    return wheels[0]
