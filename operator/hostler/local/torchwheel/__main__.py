"""``python -m hostler.local.torchwheel --output DIR``: put a small torch wheel into a directory."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hostler.local.torchwheel.build import WheelRequest, ensure_wheel, place
from hostler.local.torchwheel.errors import TorchWheelError
from hostler.local.torchwheel.pins import WHEEL_SHA256


def main(arguments: list[str] | None = None) -> int:
    """Parse, make, print the path."""
    parser = argparse.ArgumentParser(prog="python -m hostler.local.torchwheel", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory that receives the wheel")
    parser.add_argument("--python", default="3.11", help=f"Python version ({', '.join(WHEEL_SHA256)})")
    parser.add_argument("--from-index", metavar="URL", help="take a CPU build from this index instead of repacking")
    parser.add_argument("--cache", type=Path, help="cache directory (default: $HOSTLER_CACHE_DIR or ~/.cache/hostler)")
    options = parser.parse_args(arguments)
    try:
        wheel = ensure_wheel(WheelRequest(python=options.python, index_url=options.from_index), cache=options.cache)
        print(place(wheel, directory=options.output))
    except TorchWheelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
