"""A vendor exporter's text as samples by name."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of an exporter: labels and value; the name is the key under which it is kept."""

    labels: Mapping[str, str]
    value: float


Samples = Mapping[str, Sequence[Sample]]


def parse(text: str) -> Samples:
    """Samples by the name that stands on their line. Raises ``ValueError`` where the text is no exposition format."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            kept = Sample(sample.labels, sample.value)
            found.setdefault(sample.name, []).append(kept)
            # The parser appends _total to counters that go without (DCGM's do), so both spellings find them.
            if family.type == "counter" and sample.name.endswith("_total"):
                found.setdefault(sample.name.removesuffix("_total"), []).append(kept)
    return found


class TooLargeError(ValueError):
    """A text, or what is wanted of it, is larger than anybody should print; the message says which bound it broke."""


_NAME = re.compile(rb"\s*([A-Za-z_:][A-Za-z0-9_:]*)")


@dataclass
class Excerpt:
    """The wanted lines of a text that arrives in pieces, so that memory does not grow with what nobody reads.

    A node of partitioned GPUs prints ten megabytes of which a hundredth is wanted. The first line with a value is
    always kept: a page that is no exposition format must not read like one with nothing in it.
    """

    wanted: Container[str]
    """Names of metrics."""
    max_bytes: int
    """Of the whole text."""
    max_kept: int
    """Of the wanted lines, and of any one line."""
    _seen: int = 0
    _kept: bytearray = field(default_factory=bytearray)
    _rest: bytes = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece. Raises :class:`TooLargeError`."""
        self._seen += len(chunk)
        if self._seen > self.max_bytes:
            raise TooLargeError(f"more than {self.max_bytes} bytes")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > self.max_kept:
            raise TooLargeError(f"a line of more than {self.max_kept} bytes")

    def text(self) -> str:
        """The wanted lines, once all pieces are in."""
        self._take(self._rest)
        self._rest = b""
        return self._kept.decode("utf-8", errors="replace")

    def _take(self, line: bytes) -> None:
        if line.startswith(b"#") or not line.strip():
            return
        name = _NAME.match(line)
        if self._kept and (name is None or name[1].decode() not in self.wanted):
            return
        self._kept += line + b"\n"
        if len(self._kept) > self.max_kept:
            raise TooLargeError(f"more than {self.max_kept} bytes of series that are read")
