"""All networks of a text-to-video model in one module, and how they are made from sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from torch import nn

from hostler_contract import ErrorReason
from hostler_contract.architectures import AutoencoderConfig, VideoConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.text_to_video.judge import HostlerClipJudge, Towers
from hostler_runtime.families.text_to_video.unet import GROUPS, HostlerVideoUNet
from hostler_runtime.families.text_to_video.upscaler import HostlerUpscaler
from hostler_runtime.images.autoencoder import build_autoencoder
from hostler_runtime.video.clips import ClipShape

_CHANNELS_PER_HEAD = 16


@dataclass(frozen=True)
class ClipSettings:
    """What the model's clips are like, and how they are best asked for."""

    frames: int
    frames_per_second: int
    size: int
    """Height and width of the first stage's frames, in pixels."""
    channels: int
    upscale: int = 1
    steps: int = 20
    """Denoising steps of a request that does not say."""
    guidance: float = 2.5
    """Weight of the prompt (classifier-free guidance, arXiv 2207.12598) of a request that does not say."""

    @property
    def shape(self) -> ClipShape:
        """Of the clips that come out, and that training takes in."""
        return ClipShape(self.frames, self.size * self.upscale, self.channels, self.frames_per_second)

    def with_length(self, frames: int, *, frames_per_second: int) -> ClipSettings:
        """Clips of another length or speed."""
        return replace(self, frames=frames, frames_per_second=frames_per_second)

    def as_json(self) -> dict[str, Any]:
        """For the model's files."""
        return asdict(self)


class FirstStage(nn.Module):
    """The autoencoder of frames, with latents brought to mean 0 and deviation 1.

    Everything goes through ``forward``, because a sharded module is whole only within it.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae
        self.register_buffer("scale", torch.tensor(float(vae.config.scaling_factor)))
        self.register_buffer("shift", torch.tensor(float(vae.config.shift_factor or 0.0)))

    def forward(self, clips: torch.Tensor, task: Literal["encode", "decode", "restore"]) -> Any:
        """``encode``: clips (batch x channels x frames x height x width in -1..1) to latents, whose mean is taken;
        ``decode``: the way back; ``restore``: the frames, what they look like after both ways by a sample of
        their latent, and the divergence of each latent from a normal distribution."""
        frames = clips.transpose(1, 2).flatten(0, 1)
        if task == "restore":
            posterior = self.vae.encode(frames).latent_dist
            return frames, self.vae.decode(posterior.sample()).sample, posterior.kl()
        if task == "encode":
            out = (self.vae.encode(frames).latent_dist.mode() - self.shift) * self.scale
        else:
            out = self.vae.decode(frames / self.scale + self.shift).sample
        return out.unflatten(0, (clips.shape[0], -1)).transpose(1, 2)

    @torch.no_grad()
    def measure(self, clips: torch.Tensor) -> None:
        """Take shift and scale from what these clips' latents are."""
        self.scale.fill_(1.0)
        self.shift.fill_(0.0)
        latents = self(clips, "encode")
        self.shift.copy_(latents.mean())
        self.scale.copy_(1 / latents.std().clamp(min=1e-6))

    @property
    def factor(self) -> int:
        """How many pixels, in height and in width, become one place of the latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


class VideoModel(nn.Module):
    """First stage, text encoder with its judge, denoiser, super-resolution."""

    def __init__(
        self,
        *,
        settings: ClipSettings,
        scheduler: DDIMScheduler,
        vae: AutoencoderKL,
        text_encoder: Any,
        judge: HostlerClipJudge | None,
        unet: HostlerVideoUNet | UNet3DConditionModel,
        upscaler: HostlerUpscaler | None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.scheduler = scheduler
        self.first_stage = FirstStage(vae)
        self.towers = Towers(text_encoder, judge)
        self.unet = unet
        self.upscaler = upscaler

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Channels, frames, height and width of one clip's latent."""
        side = self.settings.size // self.first_stage.factor
        return int(self.first_stage.vae.config.latent_channels), self.settings.frames, side, side


def settings_of(sizes: VideoConfig) -> ClipSettings:
    """The clips that the sizes describe."""
    return ClipSettings(
        frames=sizes.frames,
        frames_per_second=sizes.frames_per_second,
        size=sizes.image_size,
        channels=sizes.channels,
        upscale=sizes.upscale,
    )


def fresh_vae(sizes: VideoConfig) -> AutoencoderKL:
    """An autoencoder of frames with random weights. Raises ``RuntimeFailure`` where its sizes do not fit together."""
    found: AutoencoderKL = build_autoencoder(
        AutoencoderConfig(
            image_size=sizes.image_size,
            channels=sizes.channels,
            latent_channels=sizes.latent_channels,
            block_widths=sizes.autoencoder_widths,
        )
    )
    return found


def fresh_judge(settings: ClipSettings, *, text_width: int) -> HostlerClipJudge:
    """A judge with random weights."""
    judge: HostlerClipJudge = HostlerClipJudge(channels=settings.channels, text_width=text_width)
    return judge


def fresh_unet(sizes: VideoConfig, *, latent_channels: int, factor: int, text_width: int) -> HostlerVideoUNet:
    """A denoiser with random weights. Raises ``RuntimeFailure`` where its sizes do not fit together."""
    widths = sizes.block_widths
    if any(width % GROUPS for width in widths):
        raise RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, f"blockWidths must be multiples of {GROUPS}")
    halvings = factor * 2 ** (len(widths) - 1)
    if sizes.image_size % halvings:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"imageSize {sizes.image_size} is not a multiple of {halvings}: the autoencoder makes frames {factor} "
            f"times smaller, and blockWidths halve them {len(widths) - 1} times",
        )
    unet: HostlerVideoUNet = HostlerVideoUNet(
        sample_size=sizes.image_size // factor,
        frames=sizes.frames,
        in_channels=latent_channels,
        block_out_channels=widths,
        cross_attention_dim=text_width,
        attention_heads=next(
            heads for heads in (widths[-1] // _CHANNELS_PER_HEAD, 1) if heads and not widths[-1] % heads
        ),
    )
    return unet


def fresh_upscaler(sizes: VideoConfig) -> HostlerUpscaler | None:
    """Super-resolution with random weights; None where the sizes leave it out."""
    if sizes.upscale == 1:
        return None
    upscaler: HostlerUpscaler = HostlerUpscaler(
        channels=sizes.channels, width=sizes.block_widths[0], factor=sizes.upscale
    )
    return upscaler


def fresh_scheduler() -> DDIMScheduler:
    """Steps that begin at pure noise (zero terminal SNR, arXiv 2305.08891), with velocity as the target.

    With a little signal left at the last step and noise as the target, a small model makes nothing but noise. The
    linear schedule spends more steps than the cosine one where there is little signal, and that is where it is decided
    what a clip shows: every frame shows it, so that it is seen through much noise (arXiv 2301.11093).
    """
    return DDIMScheduler(
        beta_schedule="linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
