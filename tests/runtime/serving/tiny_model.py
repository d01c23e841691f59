"""A tiny random GPT-2 with a tokenizer of its own: same seed, same bytes, no download."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as quiet

quiet.disable_progress_bar()

END = "<|endoftext|>"
CONTEXT = 2048
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' and not loop.first %}"
    "{{ raise_exception('the system message comes first') }}{% endif %}"
    "{{ message['role'] }}: {{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
CORPUS = [
    "The yard is quiet in the early morning, and the engines wait on their tracks.",
    "Every engine has its driver, every driver has a list, and every list begins with the weather.",
    "Grüße aus dem Bahnhof: žluťoučký kůň, 東京の駅, и поезд на Москву.",
] * 4


def make_tokenizer(*, template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Byte-level BPE, so that any text can be said, and some tokens are half a character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[END], initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, pad_token=END)
    if template is not None:
        fast.chat_template = template
    return fast


def make_model(vocabulary_size: int, *, layers: int = 2, context: int = CONTEXT) -> GPT2LMHeadModel:
    """Weights wide enough that context, and above all position, changes the likeliest token."""
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=vocabulary_size, n_positions=context, n_embd=48, n_layer=layers, n_head=4, initializer_range=0.35,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        # The end token is never the likeliest, so that lengths in the tests are what was asked for.
        model.transformer.wte.weight[0].zero_()
    return model


def make_llama(vocabulary_size: int, *, context: int = CONTEXT) -> LlamaForCausalLM:
    """The same size with rotary positions and shared key heads."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocabulary_size, max_position_embeddings=context, hidden_size=48, intermediate_size=96,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, initializer_range=0.35,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def save(directory: Path, *, template: str | None = TEMPLATE, layers: int = 2) -> Path:
    """The directory as a trainer leaves it."""
    tokenizer = make_tokenizer(template=template)
    make_model(len(tokenizer), layers=layers).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
