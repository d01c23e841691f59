"""The second text encoder of Stable Diffusion XL (arXiv 2307.01952), and what the U-Net is told with two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import CLIPTextModelWithProjection

from hostler_runtime.diffusion.conditions import Condition
from hostler_runtime.images.artifacts import load_network
from hostler_runtime.pretrained import read_tokenizer, unreadable

_UNCROPPED: Final = (0, 0)
"""Where the upper left corner of an image was in the one that it was cut from."""


class SecondEncoder(nn.Module):
    """Reads the same tokens as the first, with a padding of its own."""

    def __init__(self, network: Any, tokenizer: Any, *, zeros: bool) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.zeros = zeros
        """Whether a prompt without a word stands for nothing at all, and not for what the encoders make of it."""

    def condition(self, first: Any, tokens: torch.Tensor, *, height: int, width: int) -> Condition:
        """What both encoders make of the first one's tokens, for images of so many pixels: hidden states before the
        last layer, side by side; the second one's vector of the whole prompt; the sizes of an image that was neither
        enlarged nor cut."""
        ends = (tokens == self.tokenizer.eos_token_id).long()
        padded = torch.where(ends.cumsum(dim=1) > ends, int(self.tokenizer.pad_token_id), tokens)
        said = self.network(padded, output_hidden_states=True)
        states = torch.cat([first(tokens, output_hidden_states=True).hidden_states[-2], said.hidden_states[-2]], dim=-1)
        pooled = said.text_embeds
        if self.zeros:
            wordless = tokens[:, 1] == self.tokenizer.eos_token_id
            states = states.masked_fill(wordless[:, None, None], 0)
            pooled = pooled.masked_fill(wordless[:, None], 0)
        sizes = torch.tensor([height, width, *_UNCROPPED, height, width], dtype=states.dtype, device=states.device)
        return Condition(states, {"text_embeds": pooled, "time_ids": sizes.expand(len(tokens), -1)})


def load_second_encoder(path: Path, tokenizer: Any, *, zeros: bool) -> SecondEncoder:
    """Of a pipeline whose first tokenizer is ``tokenizer``. Raises ``UnservableError``."""
    network = load_network(CLIPTextModelWithProjection, path / "text_encoder_2")
    folder = path / "tokenizer_2"
    if not folder.is_dir():
        raise unreadable(f"{path} has no tokenizer_2")
    second = read_tokenizer(folder, vocabulary_size=network.config.vocab_size)
    if second.get_vocab() != tokenizer.get_vocab():
        raise unreadable(f"the two tokenizers in {path} make different tokens of a text, and one is read for both")
    return SecondEncoder(network, second, zeros=zeros)
