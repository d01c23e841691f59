"""How right the estimates of published runs are that the priors have not seen, and what is demanded of them.

See docs/benchmarks/estimate.md for the method.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from elsewhere import read_stated
from fitting import fit
from published import Run, read_runs
from repeated import LEVELS, MEASURED, by_another
from report import Report, Section
from scores import Demand, Score, score
from unseen import GROUPS, left_out, tell

_DEMANDED = "source"
_LEAST_SHOWN = 10
"""Runs of a group that has a row of its own."""


def unseen(runs: Sequence[Run]) -> Iterator[tuple[Section, Score]]:
    """For each way to leave runs out, its groups and the sum."""
    for what, group in GROUPS.items():
        found = left_out(runs, group)
        whole = score("all", [each for told in found.values() for each in told])
        shown = [score(name, told) for name, told in found.items() if len(told) >= _LEAST_SHOWN]
        yield Section(title=f"Fitted without the {what}", scores=(whole, *shown)), whole


def stated(runs: Sequence[Run]) -> Section:
    """Runs of papers and records, by the priors of all tables."""
    priors = fit(runs)
    singles = [(run, tell(priors, run)) for run in read_stated()]
    rows = [score(f"{run.model}, {run.accelerator.model}: {run.source}", [told]) for run, told in singles]
    whole = score("all", [told for _, told in singles])
    return Section(title="Single runs of papers and records", scores=(whole, *rows))


def report_of(runs: Sequence[Run]) -> Report:
    """All figures, and what is demanded of them."""
    sections, demands = [], []
    for section, whole in unseen(runs):
        sections.append(section)
        if section.title.endswith(_DEMANDED):
            demands += _demands(section.title, whole, median=0.25, most=None, width=3.0)
    section = stated(runs)
    sections.append(section)
    demands += _demands(section.title, section.scores[0], median=0.25, most=None, width=3.0)
    pairs = {name: by_another(runs, near) for name, near in LEVELS.items()}
    known = [score(name, told) for name, told in pairs.items() if told]
    sections.append(Section(title="After one run on the device at the precision", scores=tuple(known)))
    for each in known:
        if each.name in MEASURED:
            demands += _demands(f"After one run of the {each.name}", each, median=0.10, most=0.22, width=1.6)
    return Report(runs=runs, priors=fit(runs), sections=tuple(sections), demands=tuple(demands))


def _demands(what: str, found: Score, *, median: float, most: float | None, width: float) -> Iterator[Demand]:
    yield Demand(what=f"{what}: median error", found=found.median, limit=median)
    if most is not None:
        yield Demand(what=f"{what}: error that 80 % are within", found=found.most, limit=most)
    yield Demand(what=f"{what}: share inside low and high", found=found.inside, limit=0.8, at_least=True)
    yield Demand(what=f"{what}: high by low", found=found.width, limit=width)


def main(argv: Sequence[str] | None = None) -> int:
    """Print all figures and write the page; 1 where a demand is missed, 2 where there is nothing to judge by."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path, help="folder with the published tables")
    parser.add_argument("--page", type=Path, help="where the page with all figures is written, in Markdown")
    options = parser.parse_args(argv)
    try:
        report = report_of(read_runs(options.traces))
    except (FileNotFoundError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report.tables())
    if options.page:
        options.page.write_text(report.page(), encoding="utf-8")
    missed = [demand for demand in report.demands if not demand.holds]
    print(f"\n{len(report.demands) - len(missed)} of {len(report.demands)} demands hold", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
