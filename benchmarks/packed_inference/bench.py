"""Packed against padded inference: one encoder, one engine, texts of mixed lengths.

Throughput is measured by clients that ask again as soon as they are answered, latency by requests that arrive at
random at a rate that padding can just keep up with. Both ways take turns, repeat by repeat, so that whatever else the
machine does meets both. Run it with ``make bench-packed-inference``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
import torch

from hostler_contract.architectures import EncoderConfig
from hostler_contract.job import PackingConfig
from hostler_runtime.families.bert.network import fresh
from hostler_runtime.families.bert.requests import Reader
from hostler_runtime.families.bert.serving import EncoderModel
from hostler_runtime.families.bert.tokenizer import SequenceMaker, train_tokenizer
from hostler_runtime.protocols.tasks import EmbeddingRequest
from hostler_runtime.server.batching import Done, Task
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.observer import Run, Unmeasured

WAYS = {"padded": PackingConfig(mode="off"), "packed": PackingConfig()}
ARRIVAL_SHARE = 0.8
"""Of the padded way's throughput: the rate at which requests arrive while latency is measured."""


@dataclass(frozen=True)
class Figures:
    """One way in one repeat."""

    requests_per_second: float
    tokens_per_second: float
    tokens_per_cpu_second: float
    """Free of what else the machine does."""
    padding: float
    """Share of the computed positions, mean over batches."""
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0


class Bench:
    """One encoder behind the server's engine, packed or padded."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        words = [f"word{index}" for index in range(2000)]
        tokenizer = train_tokenizer(words, vocabulary_size=4000, context_length=options.context)
        sizes = EncoderConfig(
            layers=options.layers,
            hidden_size=options.hidden,
            heads=options.hidden // 32,
            context_length=options.context,
            vocabulary_size=4000,
        )
        torch.manual_seed(0)
        self._network = fresh(sizes, tokenizer=tokenizer, labels=[]).eval().requires_grad_(False)
        maker = SequenceMaker(tokenizer, context_length=options.context)
        self._reader = Reader(tokenizer, maker, labels=(), width=options.hidden)
        self.lengths = mixed_lengths(options.requests, longest=options.context - 2)
        draw = np.random.default_rng(1)
        self._requests = [
            EmbeddingRequest(None, tokens=tuple(draw.integers(5, len(tokenizer), length).tolist()))
            for length in self.lengths
        ]

    def throughput(self, way: str) -> Figures:
        """As many clients as two batches hold, each with one request at a time."""
        runs: list[Run] = []
        with self._engine(way, runs) as engine:
            answers: queue.SimpleQueue[int] = queue.SimpleQueue()
            began, cpu = time.perf_counter(), time.process_time()
            first = min(2 * self._options.batch, len(self._requests))
            for index in range(first):
                self._ask(engine, index, answers)
            for index in range(first, len(self._requests)):
                answers.get()
                self._ask(engine, index, answers)
            for _ in range(first):
                answers.get()
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        tokens = sum(self.lengths) + 2 * len(self.lengths)
        padding = statistics.mean(run.report.padding or 0.0 for run in runs if run.report is not None)
        return Figures(len(self._requests) / seconds, tokens / seconds, tokens / cpu, padding)

    def latency(self, way: str, *, rate: float) -> tuple[float, float]:
        """Median and 99th percentile, in seconds, of requests that arrive at ``rate`` per second (Poisson)."""
        draw = np.random.default_rng(2)
        arrivals = np.cumsum(draw.exponential(1 / rate, len(self._requests)))
        answered: dict[int, float] = {}
        done = threading.Event()

        def note(index: int) -> None:
            answered[index] = time.perf_counter()
            if len(answered) == len(arrivals):
                done.set()

        with self._engine(way, []) as engine:
            began = time.perf_counter()
            for index, arrival in enumerate(arrivals):
                time.sleep(max(0.0, began + arrival - time.perf_counter()))  # the next client comes
                self._submit(engine, index, note)
            done.wait()
        seconds = [answered[index] - began - arrival for index, arrival in enumerate(arrivals)]
        return float(np.percentile(seconds, 50)), float(np.percentile(seconds, 99))

    @contextmanager
    def _engine(self, way: str, runs: list[Run]) -> Iterator[Engine]:
        model = EncoderModel(self._network, self._reader, packing=WAYS[way])
        engine = Engine(lambda: model, slots=self._options.batch, max_waiting=len(self._requests), observe=runs.append)
        engine.start()
        engine.loaded.result()
        try:
            yield engine
        finally:
            engine.close("done")
            engine.join(60)

    def _ask(self, engine: Engine, index: int, answers: queue.SimpleQueue[int]) -> None:
        self._submit(engine, index, answers.put)

    def _submit(self, engine: Engine, index: int, done: object) -> None:
        def deliver(outcome: object) -> None:
            if not isinstance(outcome, Done):
                raise SystemExit(f"request {index} failed: {outcome}")
            done(index)  # type: ignore[operator]

        engine.submit([Task(deliver=deliver, observer=Unmeasured(), request=self._requests[index], key="text")])


def mixed_lengths(count: int, *, longest: int) -> list[int]:
    """Lengths as texts have them: many short ones, a few that reach the longest (log-normal)."""
    draw = np.random.default_rng(0)
    return np.clip(draw.lognormal(np.log(longest / 5), 0.9, count), 3, longest).astype(int).tolist()


def compare(options: argparse.Namespace) -> dict[str, object]:
    """Repeats in turn, and the median of each figure."""
    torch.set_num_threads(1)
    bench = Bench(options)
    for way in WAYS:
        bench.throughput(way)  # warm
    found: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        speeds = {way: bench.throughput(way) for way in WAYS}
        rate = ARRIVAL_SHARE * speeds["padded"].requests_per_second
        for way in WAYS:
            p50, p99 = bench.latency(way, rate=rate)
            found[way].append(Figures(**{**asdict(speeds[way]), "p50_seconds": p50, "p99_seconds": p99}))
    medians = {way: _medians(figures) for way, figures in found.items()}
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 used, torch {torch.__version__}",
        "load": round(os.getloadavg()[0], 1),
        "settings": vars(options),
        "share_of_padding_at_the_longest": round(1 - np.mean(bench.lengths) / max(bench.lengths), 3),
        **medians,
        "packed_against_padded": {
            "throughput": round(
                statistics.median(
                    packed.tokens_per_cpu_second / padded.tokens_per_cpu_second
                    for packed, padded in zip(found["packed"], found["padded"], strict=True)
                ),
                2,
            ),
            "p99": round(medians["packed"]["p99_seconds"] / medians["padded"]["p99_seconds"], 2),
        },
    }


def _medians(figures: Sequence[Figures]) -> dict[str, float]:
    names = asdict(figures[0])
    return {name: float(f"{statistics.median(asdict(one)[name] for one in figures):.4g}") for name in names}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default, use in (
        ("layers", 4, "blocks of the encoder"),
        ("hidden", 256, "its width"),
        ("context", 256, "its longest sequence, in tokens"),
        ("batch", 32, "requests in a batch at most"),
        ("requests", 320, "requests in each repeat"),
        ("repeats", 5, "times that both ways take turns"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{use} (default {default})")
    print(json.dumps(compare(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
