"""How much faster models train on packed rows than on padded ones: real tokens per second, measured side by side.

Both ways train the same model on the same sequences through the trainer's own rows, masks and loss. They take turns, a
few steps each, so that whatever else the machine does meets both. Rows are always as wide as the context, as an
accelerator with fixed shapes sees them; only real tokens count.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import decoder
import encoder
import torch
from contenders import Comparison, Options, take_turns

WANTED = 0.9
"""Speed-up that is demanded, as a share of the packing factor."""


def measure(options: Options) -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(), "threads": torch.get_num_threads(), "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "method": "same model, sequences, masks and loss; turns interleaved; real tokens per second of processor time; "
        "medians; float32",
        "repeats": options.repeats,
        "demanded": WANTED,
    }  # fmt: skip
    for name, side in (("decoder", decoder), ("encoder", encoder)):
        with tempfile.TemporaryDirectory() as scratch:
            comparison = side.compare(options, Path(scratch))
            found[name] = figures(comparison, take_turns(comparison, options))
    return found


def figures(comparison: Comparison, speeds: dict[str, list[float]]) -> dict[str, Any]:
    """What the turns of one model say."""
    factor = comparison.factor
    gains = [packed / padded for packed, padded in zip(speeds["packed"], speeds["padded"], strict=True)]
    return {
        "model": comparison.model,
        "packingFactor": round(factor, 3),
        "rows": comparison.rows,
        "tokensPerSecond": {name: round(statistics.median(values), 1) for name, values in speeds.items()},
        "speedup": {
            "median": round(statistics.median(gains), 3), "lowest": round(min(gains), 3),
            "highest": round(max(gains), 3),
        },
        "speedupOverFactor": round(statistics.median(gains) / factor, 3),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> int:
    """Print the figures and write them; 1 where packing gains less than is demanded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("dist/bench-packing.json"))
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--mean", type=float, default=60.0, help="mean length of the sequences, in tokens")
    parser.add_argument("--rows", type=int, default=8, help="rows of a batch")
    parser.add_argument("--steps", type=int, default=4, help="steps of a turn")
    parser.add_argument("--repeats", type=int, default=7)
    given = vars(parser.parse_args())
    output: Path = given.pop("output")
    torch.set_num_threads(1)
    found = measure(Options(**given))
    text = json.dumps(found, indent=2)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n")
    print(text)
    return 0 if all(found[name]["speedupOverFactor"] >= WANTED for name in ("decoder", "encoder")) else 1


if __name__ == "__main__":
    sys.exit(main())
