"""Training half of the text-to-image family: autoencoder, text encoder and U-Net, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tokenizers
import torch
from diffusers import StableDiffusionPipeline

from hostler_contract import JobConfig
from hostler_contract.architectures import DiffusionConfig
from hostler_data.labels import caption_of
from hostler_data.records import Records
from hostler_runtime.diffusion.prompts import fresh_text_encoder, load_text_encoder, tokenizer_digest
from hostler_runtime.families.text_to_image.artifacts import (
    image_shape_of,
    load_model,
    save_model,
)
from hostler_runtime.families.text_to_image.dataset import TOKENIZER, CaptionedDataset
from hostler_runtime.families.text_to_image.losses import denoiser_update, text_update
from hostler_runtime.families.text_to_image.measures import caption_figures, draw_held_out
from hostler_runtime.families.text_to_image.networks import (
    Defaults,
    LatentDiffusion,
    fresh_scheduler,
    fresh_unet,
    invalid,
)
from hostler_runtime.images.autoencoder import (
    build_autoencoder,
    load_autoencoder,
    mean_latents,
    reconstruction_figures,
    reconstruction_loss,
)
from hostler_runtime.images.png import write_grid
from hostler_runtime.images.store import write_images
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Evaluation, ModelFacts, Stage, Update
from hostler_runtime.text.captions import train_tokenizer
from hostler_runtime.text.making import kept_tokenizer

UNIT = "images"
BLOCK = "diffusion"
PARTS: Final = ("autoencoder", "text_encoder")
"""What other models may bring."""
MEASURED_LATENTS: Final = 512
"""Images whose latents say by which factor latents have unit variance."""


def fingerprint(job: JobConfig) -> str:
    """Shape of the images, and what makes tokens of captions."""
    source = _text_source(job)
    text: Any = _sizes(job).text_encoder if source is None else tokenizer_digest(source)
    return f"text-to-image 1 {image_shape(job)} {text} tokenizers {tokenizers.__version__}"


def prepare(job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
    """Images of one shape, captions, and the tokenizer. Raises ``RuntimeFailure`` and ``DataError``."""
    percent = job.dataset.validation_percent
    source = _text_source(job)
    if source is None:
        sizes = _sizes(job).text_encoder
        tokenizer: Any = kept_tokenizer(
            work,
            lambda: train_tokenizer(
                (caption_of(row) for row in records.split(percent)[0]),
                vocabulary_size=sizes.vocabulary_size,
                context_length=sizes.context_length,
            ),
        )
    else:
        tokenizer = from_base(lambda: load_text_encoder(source), what="the text encoder")[1]
    tokenizer.save_pretrained(directory / TOKENIZER)
    write_images(job, records, directory, shape=image_shape(job), captions="required", work=work)


def open_dataset(job: JobConfig, directory: Path) -> CaptionedDataset:
    """Open what ``prepare`` wrote."""
    return CaptionedDataset(directory)


def build(job: JobConfig, dataset: CaptionedDataset) -> LatentDiffusion:
    """Fresh networks, but for the parts that other models bring; or the base model."""
    if job.inputs.base is not None:
        base = Path(job.inputs.base)
        model = from_base(lambda: load_model(base), what="the base model")[0]
        model.size, _ = image_shape(job)
        return model
    sizes = _sizes(job)
    size, _ = image_shape(job)
    vae = _autoencoder(job)
    source = _text_source(job)
    if source is None:
        text_encoder = fresh_text_encoder(sizes.text_encoder, dataset.tokenizer)
    else:
        text_encoder = from_base(lambda: load_text_encoder(source), what="the text encoder")[0]
    return LatentDiffusion(
        vae=vae,
        text_encoder=text_encoder,
        unet=fresh_unet(sizes, vae=vae, text_width=int(text_encoder.config.hidden_size), size=size),
        scheduler=fresh_scheduler(sizes),
        size=size,
        defaults=Defaults(),
    )


def stages(job: JobConfig, model: LatentDiffusion, dataset: CaptionedDataset) -> Sequence[Stage]:
    """What is there already is left as it is; the U-Net comes last."""
    found = []
    fresh = job.inputs.base is None
    if fresh and "autoencoder" not in job.inputs.parts:
        update = Update(
            "autoencoder", model.autoencoder, lambda module, batch: reconstruction_loss(module, batch["images"])
        )
        found.append(Stage("autoencoder", (update,), share=0.35))
    if fresh and "text_encoder" not in job.inputs.parts:
        # A contrastive loss is as good as its batch is large.
        found.append(Stage("text", (text_update(model),), share=0.25, batch_scale=2))
    begin = None if not fresh else lambda: _measure_latents(model, dataset)
    found.append(Stage("unet", (denoiser_update(model, dataset.empty),), share=0.4, begin=begin))
    return found


def evaluate(model: LatentDiffusion, dataset: CaptionedDataset, around: Evaluation) -> dict[str, float]:
    """Losses of U-Net and autoencoder, and whether images show what their captions say."""
    pixels = reconstruction_figures(model.autoencoder, dataset.train, dataset.validation, batch_size=around.batch_size)
    return {
        "validation_loss": around.mean_loss(denoiser_update(model, dataset.empty)),
        "autoencoder_mse_ratio": pixels["mse_ratio"],
        **caption_figures(model, dataset, around),
    }


def sample(model: LatentDiffusion, dataset: CaptionedDataset, directory: Path, *, count: int) -> None:
    """Images for held-out captions, and the captions in their order."""
    captions = dataset.validation.captions
    prompts = [captions[index % len(captions)] for index in range(count)]
    write_grid(draw_held_out(model, dataset, prompts, batch_size=16), directory / "samples.png")
    (directory / "captions.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")


def save(model: LatentDiffusion, dataset: CaptionedDataset, directory: Path) -> ModelFacts:
    """A StableDiffusionPipeline's directory, or that of an XL one where the base is such."""
    save_model(model, dataset.tokenizer, directory)
    pipeline = "StableDiffusionPipeline" if model.second is None else "StableDiffusionXLPipeline"
    return ModelFacts(
        parameters=model.parameters_kept,
        context_length=int(dataset.tokenizer.model_max_length),
        vocabulary_size=len(dataset.tokenizer),
        description=(
            f"Latent diffusion ({pipeline}) of {model.size} x {model.size} images with {model.channels} channels, "
            f"{model.scheduler.config.prediction_type}."
        ),
    )


def card_header() -> dict[str, Any]:
    """For the hub."""
    return {"pipeline_tag": "text-to-image", "library_name": "diffusers"}


def prunable(model: LatentDiffusion) -> Iterable[tuple[str, torch.nn.Module]]:
    """Linear layers and convolutions of the U-Net: where the weights and the time are, and where a style lives."""
    for name, module in model.unet.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            yield f"unet.{name}", module


def save_adapter(tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any], directory: Path) -> None:
    """A low-rank adapter as diffusers stores it, so that any Stable Diffusion pipeline takes it."""
    layers = {name.removeprefix("unet."): tensor.cpu().contiguous() for name, tensor in tensors.items()}
    facts = {"r": config["r"], "lora_alpha": config["lora_alpha"], "lora_dropout": config["lora_dropout"]}
    targets = sorted(name.removeprefix("unet.") for name in config["target_modules"])
    StableDiffusionPipeline.save_lora_weights(
        directory,
        unet_lora_layers=layers,
        safe_serialization=True,
        unet_lora_adapter_metadata={**facts, "target_modules": targets},
    )


def image_shape(job: JobConfig) -> tuple[int, int]:
    """Size and channels of the images: as the autoencoder's sizes say, or as other models have them."""
    if job.inputs.base is not None:
        base = Path(job.inputs.base)
        size, channels = from_base(lambda: image_shape_of(base), what="the base model")
        return size, channels
    sizes = _sizes(job).autoencoder
    if "autoencoder" in job.inputs.parts:
        config = _autoencoder(job).config
        return (int(config.sample_size) if sizes is None else sizes.image_size), int(config.in_channels)
    if sizes is None:
        raise invalid("output.diffusion has no autoencoder: set its sizes, or name a Model under parts.autoencoder")
    return sizes.image_size, sizes.channels


def _measure_latents(model: LatentDiffusion, dataset: CaptionedDataset) -> None:
    """The same images, so the same scale, on every process and after every restart."""
    latents = mean_latents(model.autoencoder, dataset.train, most=MEASURED_LATENTS)
    model.scale.fill_(1.0 / max(float(latents.std()), 1e-6))


def _autoencoder(job: JobConfig) -> Any:
    unknown = sorted(set(job.inputs.parts) - set(PARTS))
    if unknown:
        raise invalid(f"family text-to-image takes no part {unknown[0]!r}; it takes: {', '.join(PARTS)}")
    path = job.inputs.parts.get("autoencoder")
    sizes = _sizes(job).autoencoder
    if path is None:
        assert sizes is not None  # image_shape came first
        return build_autoencoder(sizes)
    vae = from_base(lambda: load_autoencoder(Path(path)), what="the autoencoder")
    if sizes is not None and sizes.channels != vae.config.in_channels:
        raise invalid(
            f"the autoencoder takes images of {vae.config.in_channels} channels, output.diffusion.autoencoder says "
            f"{sizes.channels}: leave that out"
        )
    return vae


def _text_source(job: JobConfig) -> Path | None:
    """Directory of the pipeline whose text encoder is used, where there is one."""
    source = job.inputs.base or job.inputs.parts.get("text_encoder")
    return None if source is None else Path(source)


def _sizes(job: JobConfig) -> DiffusionConfig:
    if job.model.diffusion is None:
        raise invalid("family text-to-image needs the sizes of the model: set output.diffusion, or name a base model")
    return job.model.diffusion
