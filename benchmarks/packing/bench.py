"""How much faster a decoder trains on packed rows than on padded ones: real tokens per second, measured side by side.

Both runs train the same model on the same documents through the trainer's own rows, masks and loss. They take turns, a
few steps each, so that whatever else the machine does meets both. Only real tokens count. Where trl is importable (it
is no dependency), rows packed by its best-fit-decreasing strategy are measured in the same turns.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hostler_contract import TransformerConfig
from hostler_contract.job import PackingConfig
from hostler_runtime.protocols.training import Batch
from hostler_runtime.text.decoder import fresh_decoder, loss
from hostler_runtime.text.rows import Rows, collate, lay_out
from hostler_runtime.text.sequences import Example, Sequences, write

VOCABULARY, PADDING = 1000, 0
WANTED = 0.9
"""Speed-up that is demanded, as a share of the packing factor."""


class Contender:
    """One way to lay out the documents, with a model and an optimizer of its own."""

    def __init__(self, name: str, batches: Iterator[Batch], *, context: int) -> None:
        self.name = name
        self._batches = batches
        torch.manual_seed(0)
        sizes = TransformerConfig(
            architecture="llama", layers=2, hidden_size=128, heads=4, context_length=context,
            vocabulary_size=VOCABULARY,
        )  # fmt: skip
        self._model = fresh_decoder(sizes, _Tokens(), vocabulary_size=VOCABULARY)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=1e-3)

    def turn(self, steps: int) -> float:
        """Real tokens per second of processor time over some steps."""
        tokens, began = 0.0, time.process_time()
        for _ in range(steps):
            part = loss(self._model, next(self._batches))
            (part.total / part.weight).backward()
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            tokens += part.units
        return tokens / (time.process_time() - began)


class _Tokens:
    """What a fresh decoder asks of a tokenizer."""

    bos_token_id = eos_token_id = 1
    pad_token_id = PADDING


def documents(count: int, *, context: int, mean: float, seed: int = 0) -> list[np.ndarray]:
    """Lengths as texts have them: most short, some that fill a row."""
    generator = np.random.default_rng(seed)
    lengths = np.minimum(generator.geometric(1 / mean, count) + 1, context + 1)
    return [generator.integers(2, VOCABULARY, length) for length in lengths]


def batches(rows: Rows, *, size: int, width: int) -> Iterator[Batch]:
    """Rows in random order, always as wide as the context, as an accelerator with fixed shapes sees them."""
    generator = np.random.default_rng(1)
    while True:
        order = generator.permutation(len(rows))
        for start in range(0, len(order) - size + 1, size):
            yield widened(rows.batch(order[start : start + size].tolist()), width=width)


def widened(batch: Batch, *, width: int) -> Batch:
    """Padding up to ``width`` positions."""
    filler = {"input_ids": PADDING, "position_ids": 0, "segment_ids": 0, "targets": -100}
    return {
        name: torch.nn.functional.pad(values, (0, width - values.shape[1]), value=filler[name])
        for name, values in batch.items()
    }


def trl_rows(lengths: Sequence[int], *, context: int) -> list[list[int]] | None:
    """Which documents trl's bfd packing puts together; None where trl is not installed."""
    try:
        from datasets import Dataset
        from trl.data_utils import pack_dataset
    except ImportError:
        return None
    numbered = Dataset.from_dict({"input_ids": [[index] * length for index, length in enumerate(lengths)]})
    packed = pack_dataset(numbered, seq_length=context, strategy="bfd")
    return [list(dict.fromkeys(row)) for row in packed["input_ids"]]


def measure(*, count: int, context: int, mean: float, size: int, steps: int, repeats: int) -> dict[str, Any]:
    """All figures of one comparison."""
    with tempfile.TemporaryDirectory() as scratch:
        made: dict[str, Rows] = {}
        for name, mode in (("padded", "off"), ("packed", "auto")):
            directory = Path(scratch) / name
            examples = (Example(tokens=one.tolist()) for one in documents(count, context=context, mean=mean))
            write(examples, directory, context_length=context, vocabulary_size=VOCABULARY)
            lay_out(Sequences(directory), directory, capacity=context, packing=PackingConfig(mode=mode))
            made[name] = Rows(directory, padding=PADDING)
        contenders = [
            Contender(name, batches(rows, size=size, width=context), context=context) for name, rows in made.items()
        ]
        sequences = made["padded"].sequences
        other = trl_rows(sequences.lengths.tolist(), context=context)
        if other is not None:
            contenders.append(
                Contender("trl-bfd", _chosen(sequences, other, size=size, width=context), context=context)
            )
        speeds = take_turns(contenders, steps=steps, repeats=repeats)
        return report(made, speeds, repeats=repeats)


def take_turns(contenders: Sequence[Contender], *, steps: int, repeats: int) -> dict[str, list[float]]:
    """Tokens per second of each, a value for each repeat, after a turn that warms up."""
    speeds: dict[str, list[float]] = {each.name: [] for each in contenders}
    for repeat in range(repeats + 1):
        for each in contenders:
            speed = each.turn(steps)
            if repeat:
                speeds[each.name].append(speed)
    return speeds


def report(rows: dict[str, Rows], speeds: dict[str, list[float]], *, repeats: int) -> dict[str, Any]:
    """What was found, and how."""
    factor = rows["packed"].sequences_per_row
    gains = [packed / padded for packed, padded in zip(speeds["packed"], speeds["padded"], strict=True)]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(), "threads": torch.get_num_threads(), "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "method": "same model, documents, rows and loss; turns interleaved; real tokens per second of processor time; "
        "medians; Llama, 2 layers of 128, float32",
        "repeats": repeats,
        "packingFactor": round(factor, 3),
        "rows": {name: len(each) for name, each in rows.items()},
        "tokensPerSecond": {name: round(statistics.median(values), 1) for name, values in speeds.items()},
        "speedup": {
            "median": round(statistics.median(gains), 3), "lowest": round(min(gains), 3),
            "highest": round(max(gains), 3),
        },
        "speedupOverFactor": round(statistics.median(gains) / factor, 3),
        "demanded": WANTED,
        "trl": "measured" if "trl-bfd" in speeds else "not installed, left out",
    }  # fmt: skip


def _chosen(sequences: Sequences, rows: list[list[int]], *, size: int, width: int) -> Iterator[Batch]:
    generator = np.random.default_rng(1)
    pick: Callable[[int], list[tuple[np.ndarray, np.ndarray]]] = lambda row: [sequences[i] for i in rows[row]]  # noqa: E731
    while True:
        order = generator.permutation(len(rows))
        for start in range(0, len(order) - size + 1, size):
            yield widened(collate([pick(row) for row in order[start : start + size]], padding=PADDING), width=width)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> int:
    """Print the figures and write them; 1 where packing is slower than is demanded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("dist/bench-packing.json"))
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--mean", type=float, default=60.0, help="mean length of the documents, in tokens")
    parser.add_argument("--rows", type=int, default=8, help="rows of a batch")
    parser.add_argument("--steps", type=int, default=4, help="steps of a turn")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(
        count=options.documents, context=options.context, mean=options.mean, size=options.rows, steps=options.steps,
        repeats=options.repeats,
    )  # fmt: skip
    text = json.dumps(found, indent=2)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text + "\n")
    print(text)
    return 0 if found["speedupOverFactor"] >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
