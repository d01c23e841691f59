"""Stretches of a longer recording: ``offset`` and ``duration`` in seconds, as speech manifests have them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostler_data.record import Record, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOLERANCE = 0.5
"""Seconds by which a stretch may reach beyond the recording: tools round, and containers say it imprecisely."""


@dataclass(frozen=True)
class Stretch:
    """A part of a recording; the whole of it where neither is given."""

    offset: float = 0.0
    """Seconds from the recording's beginning."""
    duration: float | None = None
    """Seconds; None up to the recording's end."""

    @property
    def end(self) -> float | None:
        """Seconds from the recording's beginning."""
        return None if self.duration is None else self.offset + self.duration

    def cut(self, samples: NDArray[np.float32], *, rate: int, begin: float, record: Record) -> NDArray[np.float32]:
        """This stretch of samples that begin at second ``begin`` of the recording. Raises ``DataError``."""
        first = max(0, round((self.offset - begin) * rate))
        length = len(samples) - first if self.duration is None else round(self.duration * rate)
        part = samples[first : first + length]
        if not len(part) or length - len(part) > _TOLERANCE * rate:
            lasts = begin + len(samples) / rate
            asked = f"offset {self.offset:g}" if self.duration is None else f"{self.offset:g} to {self.end:g}"
            raise record.error(
                f"the stretch ({asked} s) reaches beyond the recording, which ends at {lasts:.2f} s: "
                "correct the row, or remove it"
            )
        return part


def stretch_of(record: Record) -> Stretch:
    """The stretch of the recording that a row is about. Raises ``DataError``."""
    offset, duration = (_seconds(record, name) for name in ("offset", "duration"))
    if duration == 0:
        raise record.error("duration is 0: give the stretch's seconds, or leave it out")
    return Stretch(offset or 0.0, duration)


def _seconds(record: Record, name: str) -> float | None:
    value = record.values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise record.error(f"{name} is {shown(value)}, not a number of seconds: write one of 0 or more, without quotes")
    return float(value)
