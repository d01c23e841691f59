"""Bar charts as SVG, for the light and the dark, without a library: figures side by side, each with its text.

Nothing overlaps: widths of texts are reckoned from above, and the bars take what is left of the width. A label that
would leave no room is cut, and whole where the mouse rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
_MARGIN = 24
_GAP = 10
_ROW = 30
_BAR = 18
_TITLE, _TEXT, _SMALL = 18, 13, 11
"""Sizes of letters, in pixels."""
_LONGEST_LABEL = 250
"""Pixels of the column of labels, at most."""
_SHORTEST_BAR = 2
_NARROW, _BROAD = frozenset("iIjlt.,:;|!'()[]/ "), frozenset("mwMW@%—")
_STYLE = """
text { font-family: system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2328; }
.paper { fill: #ffffff; } .aside { fill: #59636e; } .line { stroke: #d1d9e0; }
.bar { fill: #0969da; } .best { fill: #1a7f37; } .muted { fill: #a8b1ba; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .paper { fill: #0d1117; } .aside { fill: #9198a1; } .line { stroke: #3d444d; }
  .bar { fill: #4493f8; } .best { fill: #3fb950; } .muted { fill: #656c76; }
}
"""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One figure."""

    label: str
    value: float
    """0 or more."""
    text: str
    """The figure as it is read, behind the bar."""
    best: bool = False
    muted: bool = False
    """Whether it does not compare with the others."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Bars of one scale, the longest as long as there is room."""

    heading: str
    bars: Sequence[Bar]


def bar_chart(*, title: str, sections: Sequence[Section], note: str = "") -> str:
    """The whole document. Raises ``ValueError`` where a value is negative or no number."""
    for bar in (bar for section in sections for bar in section.bars):
        if not (math.isfinite(bar.value) and bar.value >= 0):
            raise ValueError(f"a bar is as long as a number of 0 or more, not {bar.value} ({bar.label})")
    parts = [_text(title, x=_MARGIN, y=_MARGIN + _TITLE, size=_TITLE, weight=600)]
    y = float(_MARGIN + _TITLE + _GAP)
    labels = min(_LONGEST_LABEL, max((text_width(b.label, _TEXT) for s in sections for b in s.bars), default=0))
    for section in sections:
        y += _ROW
        parts.append(_text(section.heading, x=_MARGIN, y=y, size=_TEXT, weight=600))
        y += _GAP
        drawn, y = _bars(section, y=y, labels=labels)
        parts += drawn
    for line in _lines(note):
        y += _TEXT + 6
        parts.append(_text(line, x=_MARGIN, y=y, size=_SMALL, kind="aside"))
    return _document(title, parts, height=math.ceil(y + _MARGIN))


def text_width(text: str, size: float) -> float:
    """Pixels that a text takes at most in the fonts of the style, about."""
    return size * sum(map(_letter, text))


def _letter(letter: str) -> float:
    if letter in _NARROW:
        return 0.38
    if letter in _BROAD or ord(letter) > 0x2E7F:
        return 1.02
    return 0.72 if letter.isupper() else 0.6


def _bars(section: Section, *, y: float, labels: float) -> tuple[list[str], float]:
    left = _MARGIN + labels + _GAP
    texts = max((text_width(bar.text, _TEXT) for bar in section.bars), default=0)
    room = max(_SHORTEST_BAR, WIDTH - _MARGIN - texts - _GAP - left)
    most = max((bar.value for bar in section.bars), default=0) or 1
    parts = []
    for bar in section.bars:
        base = y + _ROW / 2 + _TEXT * 0.35
        parts.append(_text(bar.label, x=left - _GAP, y=base, size=_TEXT, anchor="end", most=labels))
        length = max(_SHORTEST_BAR, room * bar.value / most)
        kind = "muted" if bar.muted else "best" if bar.best else "bar"
        parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{y + (_ROW - _BAR) / 2:.1f}" width="{length:.1f}" '
            f'height="{_BAR}" rx="3"/>'
        )
        parts.append(_text(bar.text, x=left + length + _GAP, y=base, size=_TEXT))
        y += _ROW
    parts.append(
        f'<line class="line" x1="{left:.1f}" y1="{y - _ROW * len(section.bars):.1f}" x2="{left:.1f}" y2="{y:.1f}"/>'
    )
    return parts, y


def _text(
    text: str,
    *,
    x: float,
    y: float,
    size: int,
    weight: int = 400,
    anchor: str = "start",
    kind: str = "",
    most: float = WIDTH - 2 * _MARGIN,
) -> str:
    shown = _cut(text, size=size, most=most)
    whole = f"<title>{_plain(text)}</title>" if shown != text else ""
    named = f' class="{kind}"' if kind else ""
    return (
        f'<text{named} x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{whole}{_plain(shown)}</text>"
    )


def _cut(text: str, *, size: int, most: float) -> str:
    if text_width(text, size) <= most + 0.01:
        return text
    while text and text_width(f"{text}…", size) > most:
        text = text[:-1]
    return f"{text}…"


def _lines(note: str) -> list[str]:
    """Broken at blanks, as wide as the chart."""
    lines: list[str] = []
    for word in note.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, _SMALL) <= WIDTH - 2 * _MARGIN:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _plain(text: str) -> str:
    """Without what XML cannot hold."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def _document(title: str, parts: Sequence[str], *, height: int) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label={_quoted(title)}>',
            f"<title>{_plain(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _quoted(text: str) -> str:
    return '"' + _plain(text).replace('"', "&quot;") + '"'
