"""What a model of programs is good for, measured on held-out ones: bodies that parse, middles that fit their suffix."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hostler_contract.figures import Need
from hostler_runtime.families.code.cutting import body_of, cut, header_of, parses
from hostler_runtime.text.dataset import TokenDataset
from hostler_runtime.text.decoder import loss
from hostler_runtime.text.documents import write_samples
from hostler_runtime.text.generation import continue_prompts
from hostler_runtime.text.infilling import Cut, infill_prompt, sentinels_of
from hostler_runtime.text.rows import collate
from hostler_runtime.text.saving import end_tokens
from hostler_runtime.text.sequences import IGNORED
from hostler_runtime.text.tokenizer import borders, encode

_FILE = "probes.json"
_MOST_HEADERS, _MOST_CUTS = 100, 200
_FEWEST = 8
"""Fewer held-out functions or cuts than this give no figure."""
_BODY_TOKENS, _MIDDLE_TOKENS = 96, 48


@dataclass(frozen=True)
class Probes:
    """Held-out texts to ask about."""

    headers: list[str]
    """Lines up to the body of single Python functions."""
    cuts: list[Cut]


def write_probes(texts: Iterable[str], directory: Path, *, seed: int) -> None:
    """Choose them from held-out texts."""
    generator = random.Random(seed)
    headers: list[str] = []
    cuts: list[Cut] = []
    for text in texts:
        if len(headers) >= _MOST_HEADERS and len(cuts) >= _MOST_CUTS:
            break
        header = header_of(text)
        if header is not None and len(headers) < _MOST_HEADERS:
            headers.append(header)
        found = cut(text, generator)
        if found is not None and found.prefix and found.suffix and len(cuts) < _MOST_CUTS:
            cuts.append(found)
    (directory / _FILE).write_text(json.dumps({"headers": headers, "cuts": [asdict(each) for each in cuts]}))


def read_probes(dataset: TokenDataset) -> Probes:
    """Those that the dataset was prepared with."""
    stored = json.loads((dataset.directory / _FILE).read_text())
    return Probes(headers=stored["headers"], cuts=[Cut(**each) for each in stored["cuts"]])


def code_figures(model: Any, dataset: TokenDataset) -> dict[str, float]:
    """``body_parse_ratio``: share of held-out functions whose generated body parses. ``suffix_preference``: share of
    cuts whose true middle is likelier before its own suffix than before another's. ``infill_parse_ratio``: share of
    programs that parse with a generated middle; ``infill_parse_ratio_other_suffix``: the same where the model was shown
    another program's suffix."""
    probes = read_probes(dataset)
    figures = {}
    headers = _fitting_headers(dataset, probes)
    if len(headers) >= _FEWEST:
        figures["body_parse_ratio"] = _share(
            parses(header + body) and bool(body.strip())
            for header, body in zip(headers, bodies(model, dataset, headers), strict=True)
        )
    pairs = _fitting_pairs(dataset, probes.cuts)
    if len(pairs) >= _FEWEST:
        figures |= _infill_figures(model, dataset, pairs)
    return figures


def code_lacks(dataset: TokenDataset) -> set[Need]:
    """What these figures need and the data does not have."""
    probes = read_probes(dataset)
    counts = {
        Need.FUNCTIONS: len(_fitting_headers(dataset, probes)),
        Need.MIDDLES: len(_fitting_pairs(dataset, probes.cuts)),
    }
    return {need for need, count in counts.items() if count < _FEWEST}


def bodies(model: Any, dataset: TokenDataset, headers: Sequence[str]) -> list[str]:
    """The likeliest body of each function."""
    begin, _ = borders(dataset.tokenizer)
    prompts = [[begin, *encode(dataset.tokenizer, header)] for header in headers]
    return [body_of(text) for text in _texts(model, dataset, prompts, most=_BODY_TOKENS)]


def middles(model: Any, dataset: TokenDataset, gaps: Sequence[Cut]) -> list[str]:
    """The likeliest middle between each prefix and suffix; the middles given are not looked at."""
    prompts = [infill_prompt(dataset.tokenizer, prefix=each.prefix, suffix=each.suffix) or [] for each in gaps]
    return _texts(model, dataset, prompts, most=_MIDDLE_TOKENS)


def write_code_samples(model: Any, dataset: TokenDataset, directory: Path, *, count: int) -> None:
    """``samples.jsonl``: functions with generated bodies, then programs with generated middles."""
    probes = read_probes(dataset)
    headers = probes.headers[: -(-count // 2)]
    cuts = probes.cuts[: count - len(headers)] if sentinels_of(dataset.tokenizer) is not None else []
    written = [
        {"prompt": header, "output": body}
        for header, body in zip(headers, bodies(model, dataset, headers), strict=True)
    ]
    written += [
        {"prompt": each.prefix, "suffix": each.suffix, "output": middle, "reference": each.middle}
        for each, middle in zip(cuts, middles(model, dataset, cuts), strict=True)
    ]
    write_samples(directory, written)


def with_other_suffixes(cuts: Sequence[Cut]) -> list[Cut]:
    """Each cut with the suffix of the next that begins differently: what the condition is worth shows against this."""
    found = []
    for index, each in enumerate(cuts):
        following = [*cuts[index + 1 :], *cuts[:index]]
        other = next((one for one in following if one.suffix[:1] != each.suffix[:1]), following[0])
        found.append(Cut(each.prefix, each.middle, other.suffix))
    return found


def middle_losses(model: Any, dataset: TokenDataset, cuts: Sequence[Cut]) -> np.ndarray:
    """Nats of each cut's middle, with the token that ends it, after its prefix and suffix."""
    tokenizer = dataset.tokenizer
    _, end = borders(tokenizer)
    losses = []
    for each in cuts:
        prompt = infill_prompt(tokenizer, prefix=each.prefix, suffix=each.suffix) or []
        answer = [*encode(tokenizer, each.middle), end]
        tokens = np.array([*prompt, *answer])
        targets = np.where(np.arange(1, len(tokens)) < len(prompt), IGNORED, tokens[1:])
        batch = collate([[(tokens[:-1], targets)]], padding=end)
        device = next(model.parameters()).device
        losses.append(float(loss(model, {name: each.to(device) for name, each in batch.items()}).total))
    return np.array(losses)


def _fitting_headers(dataset: TokenDataset, probes: Probes) -> list[str]:
    return [each for each in probes.headers if _has_room_for_a_body(dataset, each)]


def _fitting_pairs(dataset: TokenDataset, cuts: Sequence[Cut]) -> list[tuple[Cut, Cut]]:
    """Cuts, each beside itself with another's suffix, where both fit: the model knows no longer sequence, and what it
    could not write for lack of room would count against the suffix."""
    if sentinels_of(dataset.tokenizer) is None:
        return []
    fitting = [each for each in cuts if _has_room_for_a_middle(dataset, each)]
    if len(fitting) < 2:
        return []
    pairs = zip(fitting, with_other_suffixes(fitting), strict=True)
    return [(each, other) for each, other in pairs if _has_room_for_a_middle(dataset, other)]


@torch.no_grad()
def _infill_figures(model: Any, dataset: TokenDataset, pairs: Sequence[tuple[Cut, Cut]]) -> dict[str, float]:
    cuts, others = [each for each, _ in pairs], [other for _, other in pairs]
    own = middle_losses(model, dataset, cuts)
    other = middle_losses(model, dataset, others)
    return {
        "suffix_preference": float(np.mean(own < other)),
        "infill_parse_ratio": _share(
            parses(each.prefix + middle + each.suffix)
            for each, middle in zip(cuts, middles(model, dataset, cuts), strict=True)
        ),
        "infill_parse_ratio_other_suffix": _share(
            parses(each.prefix + middle + each.suffix)
            for each, middle in zip(cuts, middles(model, dataset, others), strict=True)
        ),
    }


def _texts(model: Any, dataset: TokenDataset, prompts: Sequence[list[int]], *, most: int) -> list[str]:
    answers = continue_prompts(
        model,
        prompts,
        end_tokens=end_tokens(model, dataset.tokenizer),
        most_tokens=most,
        context_length=dataset.context_length,
    )
    return [dataset.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]


def _has_room_for_a_body(dataset: TokenDataset, header: str) -> bool:
    return len(encode(dataset.tokenizer, header)) + _BODY_TOKENS // 2 <= dataset.context_length


def _has_room_for_a_middle(dataset: TokenDataset, gap: Cut) -> bool:
    """For the true one with the token that ends it, and for as much as the model may write."""
    prompt = infill_prompt(dataset.tokenizer, prefix=gap.prefix, suffix=gap.suffix) or []
    middle = len(encode(dataset.tokenizer, gap.middle)) + 1
    return len(prompt) + max(middle, _MIDDLE_TOKENS) <= dataset.context_length


def _share(outcomes: Iterable[bool]) -> float:
    return float(np.mean([bool(each) for each in outcomes]))
