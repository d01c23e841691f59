"""What rank 0 tells the world while it works: ``/progress``, ``/metrics``, ``/healthz``.

The board is written by the training thread and read by the server's threads; it holds one immutable snapshot, which
is replaced as a whole, so no lock is needed.
"""

from __future__ import annotations

import math
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hostler_contract import ErrorReason, JobConfig, Progress
from hostler_contract import metrics as names
from hostler_contract.progress import Stage
from hostler_contract.result import Pace
from hostler_runtime.errors import RuntimeFailure

WINDOW_STEPS = 20
"""Steps over which speed is averaged."""
_BEFORE_TRAINING = (Stage.IMPORTING, Stage.PREPARING_DATA)
"""Stages whose time to go is their own."""
_POLL_SECONDS = 0.1
"""How soon the server notices that it is closed."""
_STEP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True)
class StepFigures:
    """What one optimizer step showed."""

    loss: float
    units: float
    """Tokens, images, ... over all processes."""
    learning_rate: float
    gradient_norm: float
    parts: Mapping[str, float] = field(default_factory=dict)
    """The loss's parts by name."""
    data_wait_ratio: float = 0.0
    """Share of the step that was spent on getting its rows, 0 to 1."""


class ProgressBoard:
    """The newest snapshot and the metrics that go with it."""

    def __init__(self, job: JobConfig, *, world_size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._flops_per_unit = job.flops_per_unit
        self._given = job.flops_per_unit is not None
        peak = job.peak_flops_per_process
        self._peak = None if peak is None else peak * world_size
        self._marks: deque[tuple[float, float]] = deque(maxlen=WINDOW_STEPS + 1)
        self._steps, self._seconds, self._units = 0, 0.0, 0.0
        self._progress = Progress(stage=Stage.STARTING, total_steps=max(1, job.hyperparameters.steps))
        self.metrics = TrainingMetrics(job)

    @property
    def snapshot(self) -> Progress:
        """What ``/progress`` answers now."""
        return self._progress

    def enter(self, stage: Stage) -> None:
        """Another stage begins."""
        if self._progress.stage in _BEFORE_TRAINING:
            self._update(eta_seconds=None)
        self._update(stage=stage, stage_percent=None)
        self._began = self._clock()
        if stage is Stage.TRAINING and not self._marks:
            self._marks.append((self._clock(), 0.0))

    def advanced(self, done: int, of: int) -> None:
        """So much of the stage is done; all of it only when another one begins, because more may follow."""
        self._update(stage_percent=min(99, done * 100 // max(1, of)) if done < of else None)
        if self._progress.stage in _BEFORE_TRAINING:
            elapsed = self._clock() - self._began
            self._update(eta_seconds=elapsed * (of - done) / done if 0 < done < of else None)

    def described(self, *, unit: str, packing_factor: float | None, notes: Sequence[str]) -> None:
        """What is known before the first step."""
        self._update(unit=unit, packing_factor=packing_factor, notes=list(notes))
        self.metrics.described(unit=unit, packing_factor=packing_factor)

    def pace(self, *, precision: str) -> Pace | None:
        """Of the steps of this process; None before the first."""
        if self._steps == 0 or self._seconds <= 0:
            return None
        return Pace(
            steps=self._steps,
            seconds=round(self._seconds, 4),
            units=self._units,
            unit=self._progress.unit,
            precision=precision,
            memory_bytes=self._progress.memory_bytes,
        )

    @property
    def counts_flops(self) -> bool:
        """True where utilization is wanted and the job brings no formula: each stage's first step is counted then."""
        return self._peak is not None and not self._given

    def counted(self, flops_per_unit: float) -> None:
        """Operations of one unit, as they were counted in one step."""
        self._flops_per_unit = flops_per_unit

    def entered_stage(self, name: str | None) -> None:
        """Another part of the model is trained; None where there is only one."""
        self._update(training_stage=name)

    def measured(self, figures: Mapping[str, float]) -> None:
        """The model was measured on held-out data. Its duration does not count as training time."""
        self._update(metrics=dict(figures))
        self.metrics.measured(figures)
        self._restart_clock()

    def resumed(self, step: int) -> None:
        """Training goes on after ``step`` steps of an earlier process."""
        self._update(step=step, resumed_from_step=step, checkpoint_step=step)
        self.metrics.step.set(step)
        self.metrics.checkpoint_step.set(step)

    def stepped(self, step: int, figures: StepFigures) -> None:
        """One optimizer step is complete; ``step`` counts from 1."""
        now = self._clock()
        elapsed = now - self._marks[-1][0]
        self._marks.append((now, figures.units))
        self._steps, self._seconds, self._units = self._steps + 1, self._seconds + elapsed, self._units + figures.units
        speed, seconds_per_step = self._speed()
        utilization = self._utilization(speed)
        left = self._progress.total_steps - step
        self._update(
            step=step,
            loss=figures.loss,
            losses=dict(figures.parts),
            learning_rate=figures.learning_rate,
            gradient_norm=figures.gradient_norm if math.isfinite(figures.gradient_norm) else None,
            units_per_second=speed,
            data_wait_ratio=figures.data_wait_ratio,
            memory_bytes=peak_memory(),
            model_flops_utilization=utilization,
            eta_seconds=None if seconds_per_step is None else left * seconds_per_step,
        )
        self.metrics.stepped(step, figures, seconds=elapsed, utilization=utilization)

    def saved(self, step: int) -> None:
        """A checkpoint is complete. Its duration does not count as training time."""
        self._update(checkpoint_step=step)
        self.metrics.checkpoint_step.set(step)
        self._restart_clock()

    def _restart_clock(self) -> None:
        last = self._marks[-1][1] if self._marks else 0.0
        self._marks.clear()
        self._marks.append((self._clock(), last))

    def _speed(self) -> tuple[float | None, float | None]:
        elapsed = self._marks[-1][0] - self._marks[0][0]
        steps = len(self._marks) - 1
        if elapsed <= 0 or steps < 1:
            return None, None
        return sum(units for _, units in list(self._marks)[1:]) / elapsed, elapsed / steps

    def _utilization(self, speed: float | None) -> float | None:
        if self._peak is None or self._flops_per_unit is None or speed is None:
            return None
        return self._flops_per_unit * speed / self._peak

    def _update(self, **changes: Any) -> None:
        self._progress = self._progress.model_copy(update=changes)


class TrainingMetrics:
    """Prometheus metrics of one trainer; a figure that is not known yet is not exported."""

    def __init__(self, job: JobConfig) -> None:
        self.registry = CollectorRegistry()
        values = (job.namespace, job.name, str(job.attempt), job.family, job.accelerator)
        self._labels = dict(zip(names.TRAINING_LABELS, values, strict=True))
        self.step = self._gauge(names.TRAINING_STEP, "Optimizer steps done.")
        self.checkpoint_step = self._late(names.TRAINING_CHECKPOINT_STEP, "Step of the newest complete checkpoint.")
        self._loss = self._late(names.TRAINING_LOSS, "Training loss of the last step, the family's own.")
        self._learning_rate = self._late(names.TRAINING_LEARNING_RATE, "Learning rate of the last step.")
        self._gradient_norm = self._late(names.TRAINING_GRADIENT_NORM, "Norm of the gradient before clipping.")
        self._utilization = self._late(names.TRAINING_MFU, "Share of the accelerators' peak FLOP/s, 0 to 1.")
        self._memory = self._late(names.TRAINING_MEMORY, "Most memory that rank 0 has used.")
        self._data_wait = self._late(names.TRAINING_DATA_WAIT, "Share of the last step spent waiting for data, 0 to 1.")
        self._packing = self._late(names.TRAINING_PACKING_FACTOR, "Sequences per row, where sequences are packed.")
        self._parts = self._labelled(names.TRAINING_LOSS_PART, "Part of the last loss.", names.TRAINING_PART_LABEL)
        self._metrics = self._labelled(
            names.TRAINING_METRIC, "Newest figure on held-out data.", names.TRAINING_METRIC_LABEL
        )
        self._units = Counter(
            names.TRAINING_UNITS_TOTAL, "What was trained on (tokens, images, ...), over all processes.",
            (*names.TRAINING_LABELS, names.TRAINING_UNIT_LABEL), registry=self.registry,
        )  # fmt: skip
        self._unit = "tokens"
        self._seconds = Histogram(
            names.TRAINING_STEP_DURATION, "Duration of an optimizer step.",
            names.TRAINING_LABELS, registry=self.registry, buckets=_STEP_BUCKETS,
        ).labels(**self._labels)  # fmt: skip

    def stepped(self, step: int, figures: StepFigures, *, seconds: float, utilization: float | None) -> None:
        """Publish one step."""
        self.step.set(step)
        self._loss.set(figures.loss)
        self._learning_rate.set(figures.learning_rate)
        self._gradient_norm.set(figures.gradient_norm)
        self._units.labels(**self._labels, unit=self._unit).inc(figures.units)
        self._data_wait.set(figures.data_wait_ratio)
        self._memory.set(peak_memory())
        for name, value in figures.parts.items():
            self._parts.labels(**self._labels, part=name).set(value)
        self._seconds.observe(seconds)
        if utilization is not None:
            self._utilization.set(utilization)

    def described(self, *, unit: str, packing_factor: float | None) -> None:
        """Publish what is known before the first step."""
        self._unit = unit
        if packing_factor is not None:
            self._packing.set(packing_factor)

    def measured(self, figures: Mapping[str, float]) -> None:
        """Publish figures on held-out data."""
        for name, value in figures.items():
            self._metrics.labels(**self._labels, metric=name).set(value)

    def _labelled(self, name: str, text: str, label: str) -> Gauge:
        return Gauge(name, text, (*names.TRAINING_LABELS, label), registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, names.TRAINING_LABELS, registry=self.registry).labels(**self._labels)

    def _late(self, name: str, text: str) -> LateGauge:
        gauge = Gauge(name, text, names.TRAINING_LABELS, registry=self.registry)
        return LateGauge(gauge, self._labels)


def peak_memory() -> int:
    """Most bytes that this process has used: on its accelerator where it has one, else in main memory."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class LateGauge:
    """A gauge whose series appears with its first value instead of as a zero."""

    def __init__(self, gauge: Gauge, labels: dict[str, str]) -> None:
        self._gauge = gauge
        self._labels = labels

    def set(self, value: float) -> None:
        """Publish a value."""
        self._gauge.labels(**self._labels).set(value)


class ProgressServer:
    """Serves a board in a background thread until it is closed."""

    def __init__(self, board: ProgressBoard, *, port: int, host: str = "0.0.0.0") -> None:
        try:
            self._server = _Server((host, port), _handler(board))
        except OSError as error:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION, f"port {port} for progress and metrics is not free: {error.strerror}"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="progress", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use (asked for as 0 in tests)."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(board: ProgressBoard) -> type[BaseHTTPRequestHandler]:
    routes: dict[str, Callable[[], tuple[str, bytes]]] = {
        "/progress": lambda: ("application/json", board.snapshot.to_json().encode()),
        "/metrics": lambda: (CONTENT_TYPE_LATEST, generate_latest(board.metrics.registry)),
        "/healthz": lambda: ("text/plain; charset=utf-8", b"ok\n"),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            kind, body = route() if route else ("text/plain; charset=utf-8", b"not found\n")
            self.send_response(200 if route else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Every scrape would be a line; nobody reads those."""

    return Handler
