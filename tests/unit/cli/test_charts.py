"""Charts are XML in which every text is inside the picture, and none lies on another or on a bar."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest
from tables import table

from hostler.cli.charts import WIDTH, Bar, Section, bar_chart, text_width

SVG = "{http://www.w3.org/2000/svg}"
_EM = 0.56
"""Width of a letter in letters' heights, as common sans-serif fonts have it on average."""


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float
    what: str

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def boxes(svg: str) -> list[Box]:
    """Of all texts and bars, by what the document says, not by how it was made."""
    found = []
    for node in ElementTree.fromstring(svg):
        if node.tag == f"{SVG}text":
            text = "".join(part for part in node.itertext() if part) if len(node) == 0 else (node[0].tail or "")
            size, x, y = float(node.attrib["font-size"]), float(node.attrib["x"]), float(node.attrib["y"])
            width = _EM * size * len(text)
            left = x - width if node.attrib["text-anchor"] == "end" else x
            found.append(Box(left, y - 0.8 * size, left + width, y + 0.25 * size, text))
        elif node.tag == f"{SVG}rect" and node.attrib["class"] != "paper":
            x, y, width, height = (float(node.attrib[name]) for name in ("x", "y", "width", "height"))
            found.append(Box(x, y, x + width, y + height, "bar"))
    return found


def bars(*pairs: tuple[str, float], text: str = "12,345 (100%)") -> list[Bar]:
    return [Bar(label=label, value=value, text=text) for label, value in pairs]


@table(
    "sections",
    {
        "one bar": [Section(heading="tokens per EUR", bars=bars(("gpu", 1.0)))],
        "the longest and the shortest": [Section(heading="x", bars=bars(("gpu", 1e9), ("ipu", 1.0), ("tpu", 0.0)))],
        "only nothing": [Section(heading="x", bars=bars(("gpu", 0.0)))],
        "names that are too long": [
            Section(heading="h" * 300, bars=bars(("a-pool-with-a-name-" * 6, 2.0), ("b", 1.0), text="9" * 40))
        ],
        "several loads": [Section(heading=f"load {n}", bars=bars(("gpu", n), ("ipu", 3.0))) for n in range(1, 9)],
        "no bars": [Section(heading="nothing", bars=[])],
    },
)
def test_texts_are_inside_and_nothing_overlaps(sections: list[Section]) -> None:
    svg = bar_chart(title="Accelerator pools by benchmark", sections=sections, note="It was measured so. " * 20)
    height = float(ElementTree.fromstring(svg).attrib["viewBox"].split()[3])
    found = boxes(svg)
    for box in found:
        assert box.left >= 0, box
        assert box.top >= 0, box
        assert box.right <= WIDTH, box
        assert box.bottom <= height, box
    for one, other in itertools.combinations(found, 2):
        assert not one.meets(other), (one, other)


def test_the_best_bar_is_as_long_as_its_share() -> None:
    svg = bar_chart(title="t", sections=[Section(heading="h", bars=bars(("a", 4.0), ("b", 1.0)))])
    one, other = (box for box in boxes(svg) if box.what == "bar")
    assert (other.right - other.left) / (one.right - one.left) == pytest.approx(0.25, abs=0.01)


def test_what_people_write_is_text_and_no_markup() -> None:
    label = 'a <b> & "c" \x07'
    svg = bar_chart(title=label, sections=[Section(heading=label, bars=bars((label, 1.0), text="<1>"))], note=label)
    texts = [box.what for box in boxes(svg) if box.what != "bar"]
    assert texts.count('a <b> & "c"  ') == 4
    assert "<1>" in texts


def test_a_cut_label_is_whole_where_the_mouse_rests() -> None:
    label = "pool-" * 30
    svg = bar_chart(title="t", sections=[Section(heading="h", bars=bars((label, 1.0)))])
    (node,) = (n for n in ElementTree.fromstring(svg).iter(f"{SVG}text") if len(n))
    assert node[0].text == label
    assert (node[0].tail or "").endswith("…")


def test_light_and_dark_have_colours_of_their_own() -> None:
    style = ElementTree.fromstring(bar_chart(title="t", sections=[])).find(f"{SVG}style")
    assert style is not None
    light, _, dark = (style.text or "").partition("@media (prefers-color-scheme: dark)")
    assert light.count("fill: #") == dark.count("fill: #")


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_bar_is_a_number(value: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        bar_chart(title="t", sections=[Section(heading="h", bars=bars(("a", value)))])


def test_widths_are_reckoned_from_above() -> None:
    for text in ("gpu (nvidia-a100-80)", "12,345 (100%)", "Accelerator pools by benchmark"):
        assert text_width(text, 13) >= _EM * 13 * len(text) * 0.95
