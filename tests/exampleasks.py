"""What is asked of each example's model, and what an answer must hold.

A model that was trained in full must know what its data says; of a short run only the form of its answers is expected.
"""

from __future__ import annotations

import ast
import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as parquet
from PIL import Image

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A served model and what it was trained on."""

    client: httpx.Client
    model: str
    data: Path
    """What the example's recipe wrote."""
    in_full: bool
    """Whether the model was trained to its bounds."""

    def post(self, path: str, **body: Any) -> Object:
        answer = self.client.post(path, json={"model": self.model, **body})
        assert answer.status_code == 200, answer.text
        found: Object = answer.json()
        return found

    def lines(self, name: str = "") -> list[Object]:
        """JSON lines of the data."""
        text = (self.data / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


Ask = Callable[[Asked], None]


def chat(asked: Asked) -> None:
    """Questions of the data, answered as the data does."""
    conversations = [row["messages"] for row in asked.lines()[:20]]
    right = 0
    for question, answer in conversations:
        found = asked.post("/v1/chat/completions", messages=[question], max_tokens=24, temperature=0)
        right += found["choices"][0]["message"]["content"].strip() == answer["content"]
    assert right >= 18 or not asked.in_full, right


def code(asked: Asked) -> None:
    """Bodies of functions that nobody wrote yet, and a middle between two pieces."""
    heads = (
        "def total(values):\n", "def read_lines(path):\n", "def __len__(self):\n", "def is_empty(self):\n",
        "def first(items, default=None):\n", "def close(self):\n", "def get_name(self):\n", "def add(self, other):\n",
    )  # fmt: skip
    bodies = [asked.post("/v1/completions", prompt=head, max_tokens=64, temperature=0) for head in heads]
    texts = [head + body["choices"][0]["text"] for head, body in zip(heads, bodies, strict=True)]
    assert sum(map(_parses, texts)) >= 5 or not asked.in_full, texts
    middle = asked.post("/v1/completions", prompt=heads[0], suffix="\n    return result\n", max_tokens=24)
    assert middle["choices"][0]["text"]


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def bert(asked: Asked) -> None:
    """A hidden word, and vectors of which those of one text are alike."""
    found = asked.post("/v1/fill-mask", inputs="The [MASK] statement is used for conditional execution.", top_k=3)
    scores = [candidate["score"] for candidate in found["data"][0]["masks"][0]]
    assert len(scores) == 3
    assert 1 > scores[0] >= scores[1] >= scores[2] > 0
    texts = ["the with statement", "a context manager", "the with statement"]
    first, other, again = (np.array(one["embedding"]) for one in asked.post("/v1/embeddings", input=texts)["data"])
    assert np.abs(first - again).max() < 1e-4
    assert np.abs(first - other).max() > 1e-2


def digits(asked: Asked, *, template: str) -> None:
    """Pictures of what the prompt says, to the eye of the nearest mean image of the data."""
    names, means = _mean_images(asked.data)
    right = 0
    for name in names:
        drawn = _pictures(asked, prompt=template.format(name), count=3)
        distances = ((drawn[:, None] - means[None]) ** 2).sum(axis=(2, 3))
        right += sum(names[index] == name for index in distances.argmin(axis=1))
    assert right >= 0.6 * 3 * len(names) or not asked.in_full, f"{right} of {3 * len(names)}"


def samples(asked: Asked) -> None:
    """Pictures without a condition: each another one, and as bright as the data's."""
    _, means = _mean_images(asked.data)
    drawn = _pictures(asked, prompt="", count=6)
    assert drawn.std(axis=0).mean() > 5
    assert abs(drawn.mean() - means.mean()) < 0.5 * means.mean() or not asked.in_full


def _pictures(asked: Asked, *, prompt: str, count: int) -> np.ndarray:
    found = asked.post("/v1/images/generations", prompt=prompt, n=count, response_format="b64_json", seed=1)
    assert len(found["data"]) == count
    return np.stack([_pixels(base64.b64decode(image["b64_json"])) for image in found["data"]])


def _mean_images(data: Path) -> tuple[list[str], np.ndarray]:
    rows = parquet.read_table(data, columns=["image", "label"]).to_pylist()
    names = sorted({row["label"] for row in rows})
    means = [np.mean([_pixels(row["image"]) for row in rows if row["label"] == name], axis=0) for name in names]
    return names, np.stack(means)


def _pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("L"), dtype=np.float64)


def video(asked: Asked) -> None:
    """A clip, waited for."""
    made = asked.post("/v1/videos", prompt="a seven moving left", wait=True)
    assert made["status"] == "completed", made
    content = asked.client.get(f"/v1/videos/{made['id']}/content")
    assert content.content[4:8] == b"ftyp"


def speech(asked: Asked) -> None:
    """Recordings of the data, written in their own language and in another one."""
    rows = asked.lines("manifest.jsonl")
    for spoken, written, path in (("en", "en", "transcriptions"), ("en", "lb", "translations")):
        chosen = [row for row in rows if (row["language"], row["target_language"]) == (spoken, written)][:6]
        heard = [_hear(asked, row, path=path) for row in chosen]
        right = sum(found["text"].split() == row["text"].split() for found, row in zip(heard, chosen, strict=True))
        assert right >= 4 or not asked.in_full, [
            (found["text"], row["text"]) for found, row in zip(heard, chosen, strict=True)
        ]
        assert [found["language"] for found in heard] == [spoken] * 6 or not asked.in_full, heard


def _hear(asked: Asked, row: Object, *, path: str) -> Object:
    form = {"model": asked.model, "response_format": "verbose_json", "temperature": 0}
    if path == "translations":
        form["target_language"] = row["target_language"]
    files = {"file": (row["audio"], (asked.data / row["audio"]).read_bytes(), "audio/wav")}
    answer = asked.client.post(f"/v1/audio/{path}", data=form, files=files)
    assert answer.status_code == 200, answer.text
    found: Object = answer.json()
    return found
