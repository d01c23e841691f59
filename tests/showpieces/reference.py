"""Vectors of sentences as sentence-transformers makes them, by transformers alone: `python reference.py MODEL`.

The mean over the last layer's tokens without padding, at length 1, of at most as many tokens as the model says; then
the cosine of each pair, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from showpieces.sentences import PAIRS
from transformers import AutoModel, AutoTokenizer


@torch.no_grad()
def cosines(path: Path) -> list[float]:
    """Of all pairs, each sentence in a batch with its partner."""
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    longest = json.loads((path / "sentence_bert_config.json").read_text())["max_seq_length"]
    found = []
    for pair in PAIRS:
        inputs = tokenizer(list(pair), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        hidden, mask = model(**inputs).last_hidden_state, inputs["attention_mask"].unsqueeze(-1)
        vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        found.append(float(vectors[0] @ vectors[1]))
    return found


if __name__ == "__main__":
    print(json.dumps(cosines(Path(sys.argv[1]))))
