"""The networks, as transformers has them, and their losses."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import (
    GenerationConfig,
    ParakeetCTCConfig,
    WhisperConfig,
    WhisperForConditionalGeneration,
)
from transformers import ParakeetForCTC as PublishedParakeet

from hostler_contract import ErrorReason
from hostler_contract.architectures import SpeechConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.speech_to_text.conformer import ConformerFormat
from hostler_runtime.families.speech_to_text.formats import TextLanguages, language_token
from hostler_runtime.families.speech_to_text.whisper import (
    IGNORED,
    NO_TIMESTAMPS,
    TRANSCRIBE,
    TRANSLATE,
    WhisperFormat,
)
from hostler_runtime.protocols.tasks import SAMPLING_RATE
from hostler_runtime.protocols.training import Batch, LossSum

_WHISPER_STRIDE = 2
"""Frames for each position of Whisper's encoder."""
_DROPOUT = 0.05
"""Of a conformer made here; the data are augmented too."""
_SUBSAMPLING_CHANNELS_SHARE = 2
"""A conformer's first convolutions have this part of its width, as the published ones have a quarter of theirs."""


class ParakeetForCTC(PublishedParakeet):
    """transformers' own, of the same name in its files, with an answer to what its loader of 8-bit weights asks."""

    def get_input_embeddings(self) -> None:
        """Sound has no embedding."""


def check_sizes(sizes: SpeechConfig) -> None:
    """Refuse shapes that no network can have, in words instead of a stack trace. Raises ``RuntimeFailure``."""
    frames = 1000 * sizes.max_seconds / sizes.frame_milliseconds
    problem = None
    if sizes.hidden_size % sizes.heads:
        problem = f"hiddenSize {sizes.hidden_size} is not a multiple of heads {sizes.heads}"
    elif sizes.architecture == "whisper" and not sizes.decoder_layers:
        problem = "decoderLayers is 0, and whisper needs a decoder"
    elif sizes.architecture == "whisper" and frames % _WHISPER_STRIDE:
        problem = f"{sizes.max_seconds} s of {sizes.frame_milliseconds} ms frames are not an even number of frames"
    elif sizes.architecture == "conformer" and sizes.mel_bins % sizes.subsampling:
        problem = f"melBins {sizes.mel_bins} is not a multiple of subsampling {sizes.subsampling}"
    elif sizes.architecture == "conformer" and sizes.hidden_size % 2:
        problem = f"hiddenSize {sizes.hidden_size} is odd, and positions are pairs of sine and cosine"
    if problem:
        raise RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, f"{problem}: change one of them")


def fresh_whisper(sizes: SpeechConfig, layout: WhisperFormat, text_languages: TextLanguages) -> Any:
    """A Whisper with random weights whose generation settings transformers' own ``generate`` understands too."""
    config = WhisperConfig(
        vocab_size=len(layout.tokenizer),
        num_mel_bins=layout.extractor.feature_size,
        encoder_layers=sizes.encoder_layers,
        decoder_layers=sizes.decoder_layers,
        d_model=sizes.hidden_size,
        encoder_attention_heads=sizes.heads,
        decoder_attention_heads=sizes.heads,
        encoder_ffn_dim=4 * sizes.hidden_size,
        decoder_ffn_dim=4 * sizes.hidden_size,
        max_source_positions=layout.extractor.nb_max_frames // _WHISPER_STRIDE,
        max_target_positions=layout.text_positions,
        pad_token_id=layout.end,
        bos_token_id=layout.end,
        eos_token_id=layout.end,
        decoder_start_token_id=layout.start,
        begin_suppress_tokens=[layout.end],
        text_languages=_plain(text_languages),
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        pad_token_id=layout.end,
        bos_token_id=layout.end,
        eos_token_id=layout.end,
        decoder_start_token_id=layout.start,
        begin_suppress_tokens=[layout.end],
        suppress_tokens=layout.unwritten,
        max_length=layout.text_positions,
        is_multilingual=True,
        lang_to_id={language_token(language): layout.language(language) for language in text_languages},
        task_to_id={"transcribe": layout.token(TRANSCRIBE), "translate": layout.token(TRANSLATE)},
        no_timestamps_token_id=layout.token(NO_TIMESTAMPS),
        return_timestamps=False,
    )
    return model


def fresh_conformer(sizes: SpeechConfig, layout: ConformerFormat, text_languages: TextLanguages) -> Any:
    """A fast Conformer with random weights."""
    encoder = {
        "hidden_size": sizes.hidden_size,
        "num_hidden_layers": sizes.encoder_layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": 4 * sizes.hidden_size,
        "subsampling_factor": layout.subsampling,
        "subsampling_conv_channels": max(8, sizes.hidden_size // _SUBSAMPLING_CHANNELS_SHARE),
        "num_mel_bins": layout.extractor.feature_size,
        "dropout": _DROPOUT,
        "activation_dropout": _DROPOUT,
        "attention_dropout": _DROPOUT,
        "layerdrop": 0.0,
        "scale_input": False,
    }
    config = ParakeetCTCConfig(
        vocab_size=len(layout.tokenizer),
        pad_token_id=layout.tokenizer.pad_token_id,
        ctc_loss_reduction="sum",
        encoder_config=encoder,
        text_languages=_plain(text_languages),
        max_seconds=layout.max_samples // SAMPLING_RATE,
    )
    return ParakeetForCTC(config)


def whisper_loss(model: Any, batch: Batch) -> LossSum:
    """Cross entropy of the language and the text."""
    logits, targets = whisper_logits(model, batch)
    total = functional.cross_entropy(logits.float(), targets, reduction="sum")
    return LossSum(total=total, weight=targets.numel(), units=float(batch["seconds"].sum()))


def whisper_logits(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (targets x vocabulary) and the targets."""
    logits = model(
        input_features=batch["input_features"], decoder_input_ids=batch["decoder_input_ids"], use_cache=False
    ).logits
    asked = batch["labels"] != IGNORED
    return logits[asked], batch["labels"][asked]


def conformer_loss(model: Any, batch: Batch, *, blank: int) -> LossSum:
    """CTC (Graves et al. 2006) over the tokens of language and text."""
    logits = model(input_features=batch["input_features"], attention_mask=batch["attention_mask"]).logits
    total = functional.ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1),
        batch["labels"],
        batch["steps"],
        batch["label_lengths"],
        blank=blank,
        reduction="sum",
    )
    return LossSum(total=total, weight=float(batch["label_lengths"].sum()), units=float(batch["seconds"].sum()))


def parameters_of(model: torch.nn.Module) -> int:
    """Number of weights, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _plain(text_languages: TextLanguages) -> dict[str, list[str]]:
    return {spoken: list(targets) for spoken, targets in text_languages.items()}
