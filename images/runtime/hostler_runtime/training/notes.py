"""Sentences about what differs from what was asked: they go to progress, to the result and to the model card."""

from __future__ import annotations

from hostler_contract import JobConfig
from hostler_contract.result import DatasetFacts, LeftOut
from hostler_runtime.protocols.training import Dataset
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.loop import fewest_rows, wanted_rows


def step_notes(job: JobConfig, dataset: Dataset, processes: Processes) -> list[str]:
    """Where a step has more sequences than batchSize asks for, because no micro-batch may be without a packed row."""
    options, factor = job.hyperparameters, dataset.sequences_per_row
    fewest = fewest_rows(job, processes)
    if options.steps == 0 or wanted_rows(job, dataset) >= fewest:
        return []
    return [
        f"a step has about {fewest * factor:.0f} sequences, and batchSize asks for {options.batch_size}: processes "
        f"times gradientAccumulation ({processes.world_size} x {job.accumulation}) is the fewest rows of "
        f"a step, and a packed row holds {factor:.3g} sequences"
    ]


def data_notes(facts: DatasetFacts) -> list[str]:
    """Where a part of the data was not used."""
    return [_left_out(each) for each in facts.left_out]


def _left_out(part: LeftOut) -> str:
    what, were = f"{part.count:,} of {part.of:,} {part.what}", _were(part.count)
    where = "" if part.first is None else f"; the first is in {part.first}"
    if part.limit is None:
        return f"{what} {were} not used: {part.why}{where}"
    lost = f"{part.tokens:,} token{'' if part.tokens == 1 else 's'} {_were(part.tokens)} not read"
    return f"{what} did not fit into {part.limit:,} tokens and {were} cut; {lost}{where}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
