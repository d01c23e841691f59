"""A text-to-video model as a directory in diffusers' layout: a folder for each part, named by ``model_index.json``.

Models with diffusers' own ``UNet3DConditionModel`` are ``TextToVideoSDPipeline`` directories and are read by diffusers
too; ours add the judge and the super-resolution stage. Read offline, safetensors only, no code from the directory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from diffusers.utils import logging as diffusers_logging
from transformers import AutoTokenizer, CLIPTextModel
from transformers.utils import logging as transformers_logging

from hostler_contract import ErrorReason
from hostler_runtime.families.serving_protocol import UnservableError
from hostler_runtime.families.text_to_video.judge import HostlerClipJudge
from hostler_runtime.families.text_to_video.network import ClipSettings, VideoModel, fresh_judge
from hostler_runtime.families.text_to_video.unet import HostlerVideoUNet
from hostler_runtime.families.text_to_video.upscaler import HostlerUpscaler

INDEX: Final = "model_index.json"
SETTINGS: Final = "clip_settings.json"
"""What diffusers' layout has no place for: length and speed of the clips, and how to ask for them."""
UPSCALER, JUDGE = "super_resolution", "judge"
PIPELINES: Final = ("HostlerTextToVideo", "TextToVideoSDPipeline")
_FOREIGN: Final[dict[str, Any]] = {"frames": 16, "frames_per_second": 8, "steps": 25, "guidance": 9.0}
"""Settings of models that bring none, as the first public model of this architecture recommends."""
_UNETS: Final[dict[str, Any]] = {"HostlerVideoUNet": HostlerVideoUNet, "UNet3DConditionModel": UNet3DConditionModel}
_HARMLESS: Final = ("position_ids",)

T = TypeVar("T")


def load_model(path: Path) -> tuple[VideoModel, Any]:
    """The networks (in evaluation mode, fp32) and the tokenizer. Raises ``UnservableError``."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    check_index(path)
    vae = load_autoencoder(path)
    text_encoder, tokenizer = load_text_encoder(path)
    unet = _load_unet(path)
    settings = read_settings(path)
    _check_pair(path, vae=vae, text_encoder=text_encoder, unet=unet)
    upscaler = _part(path / UPSCALER, HostlerUpscaler) if settings.upscale > 1 else None
    model = VideoModel(
        settings=settings,
        scheduler=guarded(path / "scheduler", lambda: DDIMScheduler.from_pretrained(path / "scheduler")),
        vae=vae,
        text_encoder=text_encoder,
        judge=_load_judge(path, settings, text_encoder),
        unet=unet,
        upscaler=upscaler,
    )
    return model.eval(), tokenizer


def save_model(model: VideoModel, tokenizer: Any, directory: Path) -> None:
    """Every part in its folder."""
    stage = model.first_stage
    stage.vae.register_to_config(scaling_factor=float(stage.scale), shift_factor=float(stage.shift))
    unet_class = type(model.unet).__name__
    parts: dict[str, tuple[str, Any]] = {
        "vae": ("diffusers", stage.vae),
        "text_encoder": ("transformers", model.towers.text_encoder),
        "tokenizer": ("transformers", tokenizer),
        "unet": ("diffusers" if unet_class == "UNet3DConditionModel" else "hostler", model.unet),
        "scheduler": ("diffusers", model.scheduler),
        JUDGE: ("hostler", model.towers.judge),
    }
    if model.upscaler is not None:
        parts[UPSCALER] = ("hostler", model.upscaler)
    for name, (_, part) in parts.items():
        part.save_pretrained(directory / name)
    index = {
        "_class_name": PIPELINES[unet_class == "UNet3DConditionModel"],
        "_diffusers_version": diffusers.__version__,
        **{name: [library, type(part).__name__] for name, (library, part) in parts.items()},
    }
    (directory / INDEX).write_text(json.dumps(index, indent=2))
    (directory / SETTINGS).write_text(json.dumps(model.settings.as_json(), indent=2))


def check_index(path: Path) -> None:
    """Refuse directories that are not of this family. Raises ``UnservableError``."""
    if not path.is_dir():
        raise unreadable(f"there is no directory {path}; is the model's volume mounted?")
    if not (path / INDEX).is_file():
        raise unreadable(f"{path} has no {INDEX}, which says what the model is")
    declared = _json(path / INDEX).get("_class_name")
    if declared not in PIPELINES:
        raise unreadable(f"{path / INDEX}: {declared} is not a text-to-video model of the kinds {', '.join(PIPELINES)}")


def read_settings(path: Path) -> ClipSettings:
    """The clips that a model directory makes. Raises ``UnservableError``."""
    check_index(path)
    if (path / SETTINGS).is_file():
        return guarded(path / SETTINGS, lambda: ClipSettings(**_json(path / SETTINGS)))
    unet, vae = _json(path / "unet" / "config.json"), _json(path / "vae" / "config.json")
    return guarded(
        path / "vae" / "config.json",
        lambda: ClipSettings(
            **_FOREIGN,
            size=int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1),
            channels=int(vae["in_channels"]),
        ),
    )


def load_autoencoder(path: Path) -> AutoencoderKL:
    """The autoencoder of a model directory, or of a directory that holds nothing else. Raises ``UnservableError``."""
    return _part(_folder(path, "vae"), AutoencoderKL)


def load_text_encoder(path: Path) -> tuple[CLIPTextModel, Any]:
    """Text encoder and tokenizer, of a model directory or one that holds nothing else. Raises ``UnservableError``."""
    encoder = _part(_folder(path, "text_encoder"), CLIPTextModel)
    tokenizer = load_tokenizer(path)
    tokenizer.model_max_length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    if len(tokenizer) > encoder.config.vocab_size:
        raise unreadable(
            f"the tokenizer in {path} has {len(tokenizer)} tokens, the text encoder {encoder.config.vocab_size}; "
            "they are not a pair"
        )
    return encoder, tokenizer


def load_tokenizer(path: Path) -> Any:
    """The tokenizer of a model directory. Raises ``UnservableError``."""
    folder = _folder(path, "tokenizer")
    return guarded(
        folder, lambda: AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    )


def guarded(path: Path, read: Callable[[], T]) -> T:
    """Libraries raise anything on damaged files; all of it means the same to the user."""
    try:
        return read()
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise UnservableError(ErrorReason.OUT_OF_MEMORY, f"{path}: the model does not fit into memory") from error
    except UnservableError:
        raise
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise unreadable(f"cannot read {path}: {type(error).__name__}: {first_line}") from error


def unreadable(message: str) -> UnservableError:
    """The artifacts are not what they should be."""
    return UnservableError(ErrorReason.ARTIFACT_UNREADABLE, message)


def _folder(path: Path, name: str) -> Path:
    return path / name if (path / name).is_dir() else path


def _part(folder: Path, kind: Any) -> Any:
    if not (folder / "config.json").is_file():
        raise unreadable(f"{folder} has no config.json, which describes the {kind.__name__}")
    # diffusers and transformers name the class in different places.
    config = _json(folder / "config.json")
    declared = config.get("_class_name") or (config.get("architectures") or [kind.__name__])[0]
    if declared not in (kind.__name__, f"{kind.__name__}WithProjection"):
        raise unreadable(f"{folder / 'config.json'}: {declared} is not a {kind.__name__}")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(one.name for one in folder.glob("*.bin"))
        hint = f" ({', '.join(pickled)} can run code when loaded; convert it to safetensors)" if pickled else ""
        raise unreadable(f"{folder} has no weights in safetensors{hint}")
    model, facts = guarded(
        folder,
        lambda: kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, torch_dtype=torch.float32
        ),
    )
    problems = [
        *(f"{name} is missing" for name in facts["missing_keys"] if not name.endswith(_HARMLESS)),
        *(f"{name} has another shape" for name in facts["mismatched_keys"]),
    ]
    if problems:
        raise unreadable(
            f"the weights in {folder} are not of the {kind.__name__} that config.json describes: {problems[0]}"
        )
    return model


def _load_unet(path: Path) -> Any:
    folder = path / "unet"
    if not (folder / "config.json").is_file():
        raise unreadable(f"{folder} has no config.json, which describes the denoiser")
    declared = str(_json(folder / "config.json").get("_class_name"))
    if declared not in _UNETS:
        raise unreadable(f"{folder / 'config.json'}: {declared} is not a 3-D U-Net of the kinds {', '.join(_UNETS)}")
    return _part(folder, _UNETS[declared])


def _load_judge(path: Path, settings: ClipSettings, text_encoder: Any) -> HostlerClipJudge:
    if (path / JUDGE).is_dir():
        judge: HostlerClipJudge = _part(path / JUDGE, HostlerClipJudge)
        return judge
    return fresh_judge(settings, text_width=text_encoder.config.hidden_size)


def _check_pair(path: Path, *, vae: Any, text_encoder: Any, unet: Any) -> None:
    for what, found, wanted in (
        ("latent channels", unet.config.in_channels, vae.config.latent_channels),
        ("the width of the text encoder", unet.config.cross_attention_dim, text_encoder.config.hidden_size),
    ):
        if found != wanted:
            raise unreadable(
                f"the parts in {path} do not fit together: the U-Net takes {found} as {what}, not {wanted}"
            )


def _json(path: Path) -> dict[str, Any]:
    value = guarded(path, lambda: json.loads(path.read_bytes()))
    if not isinstance(value, dict):
        raise unreadable(f"{path} is not a JSON object")
    return value
