"""Write the package's priors anew from published runs. See docs/benchmarks/estimate.md."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import yaml
from fitting import NAMES, fit
from published import read_runs

import hostler.planning.estimate.priors as module

_HEADER = """\
# Written by `make fit-priors`: how much of their dense peak accelerators reach in training. See priors.py for the
# formula, docs/benchmarks/estimate.md for how well it tells runs that it has not seen.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path, help="folder with the published tables")
    runs = read_runs(parser.parse_args().traces)
    priors = fit(runs)
    data = {
        "date": datetime.date.today().isoformat(),
        "runs": priors.runs,
        "sources": list(priors.sources),
        "logarithms": {name: round(getattr(priors, name), 4) for name in NAMES},
        "balances": {"least": round(priors.least_balance), "most": round(priors.most_balance)},
        "least_operations": round(priors.least_operations / 1e6) * 1_000_000,
        "range": {"low": round(priors.low, 3), "high": round(priors.high, 3)},
    }
    path = Path(module.__file__).with_name("priors.yaml")
    path.write_text(_HEADER + yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
