"""Whether drawn images show what their captions say."""

from __future__ import annotations

from typing import Final

import torch

from hostler_runtime.families.text_to_image.dataset import CaptionedDataset
from hostler_runtime.families.text_to_image.drawing import Drawing, draw
from hostler_runtime.families.text_to_image.networks import LatentDiffusion
from hostler_runtime.images.judge import judge_of
from hostler_runtime.protocols.training import Evaluation

MOST_DRAWN: Final = 100
MOST_PIXELS: Final = 100 * 64 * 64
"""Of all images together that are drawn for one measurement; large ones are fewer."""
MOST_STEPS: Final = 20
"""Of denoising: enough to see what an image shows."""
MOST_CANDIDATES: Final = 64
LEAST_DRAWN: Final = 8


def caption_figures(model: LatentDiffusion, dataset: CaptionedDataset, around: Evaluation) -> dict[str, float]:
    """``caption_agreement``: share of images, drawn for held-out captions, for which a judge picks the right caption.

    It picks among the held-out captions; where the data has labels, any one of the same label is right. Beside it the
    share with shuffled captions, which is chance, and the judge's on real held-out images, which is the ceiling.
    """
    captions = dataset.validation.captions
    count = max(LEAST_DRAWN, min(MOST_DRAWN, MOST_PIXELS // model.size**2))
    prompts = [captions[index % len(captions)] for index in range(count)]
    images = draw_held_out(model, dataset, prompts, batch_size=max(16, around.batch_size))
    candidates = list(dict.fromkeys(captions))[:MOST_CANDIDATES]
    meaning = _meanings(dataset)
    judge = judge_of(dataset, dataset.train.captions, device=around.device)

    def agreement(shown: torch.Tensor, said: list[str]) -> float:
        picked = judge.choose(shown, candidates).tolist()
        right = [meaning[candidates[choice]] == meaning[wanted] for choice, wanted in zip(picked, said, strict=True)]
        return sum(right) / len(right)

    order = torch.randperm(len(prompts)).tolist()
    real = min(len(captions), 4 * MOST_DRAWN)
    return {
        "caption_agreement": agreement(images, prompts),
        "caption_agreement_shuffled": agreement(images, [prompts[index] for index in order]),
        "judge_accuracy": agreement(dataset.validation.images(range(real)).to(around.device), captions[:real]),
    }


def draw_held_out(
    model: LatentDiffusion, dataset: CaptionedDataset, prompts: list[str], *, batch_size: int
) -> torch.Tensor:
    """One image for each prompt, with seeds from 0."""
    found = []
    for start in range(0, len(prompts), batch_size):
        chunk = prompts[start : start + batch_size]
        drawing = Drawing(
            prompts=chunk,
            negative=[""] * len(chunk),
            seeds=range(start, start + len(chunk)),
            height=model.size,
            width=model.size,
            steps=min(model.defaults.steps, MOST_STEPS),
            guidance=model.defaults.guidance,
        )
        found.append(draw(model, dataset.tokenizer, drawing).images)
    return torch.cat(found)


def _meanings(dataset: CaptionedDataset) -> dict[str, int | str]:
    """What a held-out caption stands for: its label or, without labels, itself."""
    part = dataset.validation
    if part.labels is None:
        return {caption: caption for caption in part.captions}
    return dict(zip(part.captions, part.labels.tolist(), strict=True))
