"""What is kept of a text that arrives in pieces: all that is read, and nothing that is not."""

from __future__ import annotations

import pytest
from unit.exporter.support import TEXTS, text

from hostler.accelerators.registry import exporters
from hostler.exporter.parse import Excerpt, TooLargeError, parse
from hostler.exporter.reading import metric_names, read

WANTED = metric_names(exporters().values())


def excerpt(page: bytes, *, piece: int = 7, max_bytes: int = 1 << 20, max_kept: int = 1 << 20) -> str:
    found = Excerpt({"a_metric"} | WANTED, max_bytes=max_bytes, max_kept=max_kept)
    for start in range(0, len(page), piece):
        found.feed(page[start : start + piece])
    return found.text()


@pytest.mark.parametrize("name", sorted(path.stem for path in TEXTS.iterdir()))
def test_every_recorded_text_reads_the_same(name: str) -> None:
    page = text(name)
    for mapping in exporters().values():
        assert read(mapping, parse(excerpt(page.encode()))) == read(mapping, parse(page))


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_only_what_is_read_is_kept(piece: int) -> None:
    page = b'# HELP x y\na_metric{l="b_metric 1"} 1\nb_metric 2\na_metric_total 3\n  a_metric 4\r\n\na_metric 5'
    assert excerpt(page, piece=piece) == 'a_metric{l="b_metric 1"} 1\n  a_metric 4\r\na_metric 5\n'


def test_a_page_that_is_no_exposition_format_is_no_empty_one() -> None:
    with pytest.raises(ValueError, match="html"):
        parse(excerpt(b"\n<html>\n<body>404</body>\n"))


def test_only_comments_are_an_empty_text() -> None:
    assert parse(excerpt(b"# HELP a_metric x\n# EOF\n")) == {}


@pytest.mark.parametrize(
    ("page", "bounds", "want"),
    [
        pytest.param(b"b 1\n" * 30, {"max_bytes": 100}, "more than 100 bytes", id="too much in all"),
        pytest.param(b"a_metric 1\n" * 30, {"max_kept": 100}, "more than 100 bytes of series", id="too much to keep"),
        pytest.param(b"b" * 120, {"max_kept": 100}, "a line of more than 100 bytes", id="a line without an end"),
    ],
)
def test_bounds(page: bytes, bounds: dict[str, int], want: str) -> None:
    with pytest.raises(TooLargeError, match=want):
        excerpt(page, **bounds)
