"""Figures on held-out clips: each part's loss beside a baseline, and whether clips show what their captions say."""

from __future__ import annotations

import torch

from hostler_contract.figures import Need
from hostler_runtime.diffusion.sampling import first_noise
from hostler_runtime.families.text_to_video import losses
from hostler_runtime.families.text_to_video.data import ClipDataset
from hostler_runtime.families.text_to_video.network import VideoModel
from hostler_runtime.families.text_to_video.sampling import generate
from hostler_runtime.protocols.training import Evaluation
from hostler_runtime.text.captions import tokens_of

MOST_CAPTIONS = 40
"""Captions that clips are made for, and among which the judge has to find the right one."""
MOST_JUDGED = 512
"""Real clips on which the judge is judged."""


def figures(model: VideoModel, dataset: ClipDataset, around: Evaluation) -> dict[str, float]:
    """``caption_agreement`` is the share of generated clips whose caption the judge picks out of all; that figure for
    real clips is ``judge_accuracy``, and that of picking blindly ``caption_agreement_chance``. A model without a judge,
    which goes on from a published one, has none of them."""
    found = {"validation_loss": around.mean_loss(losses.denoiser_update(model, dataset.empty))}
    found["autoencoder_loss"] = around.mean_loss(losses.first_stage_update(model))
    if model.upscaler is not None:
        found["upscale_mse"] = around.mean_loss(losses.upscaler_update(model))
        found["bicubic_mse"] = around.mean_loss(losses.enlargement_update(model))
    captions = dataset.held_out_captions(MOST_CAPTIONS)
    if len(captions) > 1 and model.towers.judge is not None:
        found |= _agreement(model, dataset, captions, around)
    return found


def lacks(model: VideoModel, dataset: ClipDataset) -> set[Need]:
    """What these figures need and this job does not have."""
    judged = model.towers.judge is not None and len(dataset.held_out_captions(2)) > 1
    there = {Need.UPSCALER: model.upscaler is not None, Need.CAPTIONS: judged}
    return {need for need, met in there.items() if not met}


def _agreement(model: VideoModel, dataset: ClipDataset, captions: list[str], around: Evaluation) -> dict[str, float]:
    tokens = tokens_of(dataset.tokenizer, captions).to(around.device)
    _, _, said = model.towers(tokens=tokens)
    right = []
    for start in range(0, len(captions), around.batch_size):
        chosen = range(start, min(start + around.batch_size, len(captions)))
        clips = made(model, dataset, tokens[list(chosen)], seeds=[around.seed + index for index in chosen])
        right.append(_picked(model, clips, said).cpu() == torch.tensor(list(chosen)))
    places = {caption: place for place, caption in enumerate(captions)}
    rows = [row for row, caption in enumerate(dataset.validation.captions) if caption in places][:MOST_JUDGED]
    real = []
    for start in range(0, len(rows), around.batch_size):
        part = rows[start : start + around.batch_size]
        clips = losses.as_floats(dataset.validation_batch(part)["clips"].to(around.device))
        wanted = torch.tensor([places[dataset.validation.captions[row]] for row in part])
        real.append(_picked(model, losses.small(model, clips), said).cpu() == wanted)
    return {
        "caption_agreement": float(torch.cat(right).float().mean()),
        "caption_agreement_chance": 1 / len(captions),
        "judge_accuracy": float(torch.cat(real).float().mean()),
    }


def made(model: VideoModel, dataset: ClipDataset, tokens: torch.Tensor, *, seeds: list[int]) -> torch.Tensor:
    """Clips of the first stage, one for each row of tokens, as a request that says nothing else gets them."""
    noise = first_noise(seeds, model.latent_shape).to(tokens.device)
    settings = model.settings
    negative = dataset.empty.to(tokens.device).expand(len(tokens), -1)
    return generate(
        model, tokens=tokens, negative=negative, noise=noise, steps=settings.steps, guidance=settings.guidance
    ).small


def _picked(model: VideoModel, clips: torch.Tensor, said: torch.Tensor | None) -> torch.Tensor:
    _, seen, _ = model.towers(clips=clips)
    assert seen is not None
    assert said is not None
    picked: torch.Tensor = (seen @ said.T).argmax(dim=1)
    return picked
