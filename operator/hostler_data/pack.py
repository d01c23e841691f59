"""How well sequences pack, as a command: ``hostler data pack``, and ``python -m hostler_runtime.packing`` in an image.

Needs neither torch nor the data, only a histogram of lengths: a JSON file whose ``counts[i]`` is the number of
sequences of length ``i + 1``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hostler_data.packing import Packing, PackingError, pack_histogram
from hostler_data.words import counted


class HistogramError(Exception):
    """A file that is no histogram."""


def read_histogram(path: Path) -> dict[int, int]:
    """Length to number of sequences. Raises ``HistogramError`` with the file and what is wrong with it."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise HistogramError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HistogramError(f"{path}: is not JSON: {error}") from error
    counts = document.get("counts") if isinstance(document, dict) else None
    if not isinstance(counts, list):
        raise HistogramError(f"{path}: has no list `counts`: counts[i] is the number of sequences of length i + 1")
    for index, count in enumerate(counts):
        if type(count) is not int or count < 0:
            raise HistogramError(f"{path}: counts[{index}] is {json.dumps(count)}: give whole numbers, 0 or more")
    return {length: count for length, count in enumerate(counts, start=1) if count}


def report(packing: Packing, *, seconds: float) -> dict[str, Any]:
    """The figures as they are printed."""
    return {
        "packs": packing.rows,
        "sequences": packing.sequences,
        "efficiency": packing.efficiency,
        "factor": packing.factor,
        "speedupBound": packing.bound,
        "seconds": seconds,
    }


def main(arguments: Sequence[str] | None = None, *, program: str) -> int:
    """The command, called ``program``. Exit status 1 where the file or the lengths cannot be packed, 2 for wrong
    usage."""
    options = _parser(program).parse_args(arguments)
    try:
        counts = read_histogram(options.histogram)
        started = time.perf_counter()
        packing = pack_histogram(
            counts, max_length=options.max_length, strategy=options.strategy, max_per_pack=options.max_per_pack
        )
        seconds = time.perf_counter() - started
    except HistogramError as error:
        print(error, file=sys.stderr)
        return 1
    except PackingError as error:
        print(f"{options.histogram}: {error}", file=sys.stderr)
        return 1
    figures = report(packing, seconds=seconds)
    print(json.dumps(figures) if options.json else _sentences(figures, packing=packing))
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Packs a histogram of sequence lengths and says what that gains.",
    )
    parser.add_argument(
        "--histogram",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON with `counts`; counts[i] is the number of sequences of length i + 1",
    )
    parser.add_argument("--max-length", type=_positive, required=True, metavar="N", help="tokens in a pack")
    parser.add_argument(
        "--strategy",
        choices=("spfhp", "best-fit"),
        default="best-fit",
        help="into the open pack with the most room (spfhp) or the least (best-fit, the default)",
    )
    parser.add_argument(
        "--max-per-pack", type=_positive, metavar="N", help="most sequences in a pack; no limit if absent"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def _sentences(figures: dict[str, Any], *, packing: Packing) -> str:
    unpacked = packing.efficiency / packing.factor
    return (
        f"{counted(figures['sequences'], 'sequence')} in {counted(figures['packs'], 'pack')} of "
        f"{counted(packing.max_length, 'token')}, "
        f"at most {max(len(pack.lengths) for pack in packing.packs)} in one\n"
        f"efficiency {figures['efficiency']:.2%} (without packing {unpacked:.2%})\n"
        f"{figures['factor']:.3f} times fewer rows; no packing can exceed {figures['speedupBound']:.3f}\n"
        f"packed in {figures['seconds']:.3f} s"
    )
