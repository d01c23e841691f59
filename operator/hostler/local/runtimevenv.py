"""The virtual environment for working on the runtime: `python -m hostler.local.runtimevenv`.

It is separate from the control plane's, because torch must never become importable there by accident. A stamp of its
inputs (lock file and torch wheel) makes a second call instant.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from hostler.local.torchwheel import TorchWheelError, WheelRequest, ensure_wheel

_STAMP = ".hostler-inputs"
_WARM_UP = (
    "import torch.distributed.checkpoint.state_dict, torch.distributed.run, starlette.applications, uvicorn, openai;"
    "from transformers import AutoModelForCausalLM, GPT2LMHeadModel, LlamaForCausalLM, PreTrainedTokenizerFast"
)


class RuntimeVenvError(Exception):
    """The environment could not be made; the text holds the installer's last words."""


def ensure_venv(directory: Path, *, lock: Path, wheel: Path) -> bool:
    """Create or renew ``directory``; False when it was up to date."""
    stamp = hashlib.sha256(lock.read_bytes() + wheel.name.encode() + sys.version.encode()).hexdigest()
    marker = directory / _STAMP
    if marker.exists() and marker.read_text() == stamp:
        return False
    if directory.exists():
        if not (directory / "pyvenv.cfg").exists():
            raise RuntimeVenvError(f"{directory} is not a virtual environment: move it away or choose another --venv")
        shutil.rmtree(directory)
    uv = _uv()
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(directory)])
    python = str(directory / "bin" / "python")
    install = [*uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    # torch first and without dependencies: what follows finds it in place and fetches no other build of it.
    _run([*install, "--quiet", "--no-deps", str(wheel)])
    _run([*install, "--quiet", "--require-hashes", "--no-deps", "-r", str(lock)])
    # Bytecode of what is imported at every start, also where PYTHONDONTWRITEBYTECODE is set: an import of torch and
    # transformers takes three times as long without it. All of it would take a minute to compile.
    _run(["env", "--unset=PYTHONDONTWRITEBYTECODE", python, "-c", _WARM_UP])
    marker.write_text(stamp)
    return True


def _uv() -> list[str]:
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else []


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise RuntimeVenvError(f"`{' '.join(command)}` failed:\n{tail}")


def main(arguments: list[str] | None = None) -> int:
    """Make the wheel if needed, then the environment."""
    parser = argparse.ArgumentParser(prog="python -m hostler.local.runtimevenv", description=__doc__)
    parser.add_argument("--venv", type=Path, default=Path(".venv-runtime"))
    parser.add_argument("--lock", type=Path, default=Path("requirements/runtime-dev.lock"))
    parser.add_argument("--from-index", metavar="URL", help="take torch's CPU build from this index")
    options = parser.parse_args(arguments)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        wheel = ensure_wheel(WheelRequest(python=python, index_url=options.from_index))
        made = ensure_venv(options.venv, lock=options.lock, wheel=wheel)
    except (RuntimeVenvError, TorchWheelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.venv}: {'made' if made else 'up to date'} ({wheel.name})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
