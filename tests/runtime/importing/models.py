"""Files of small models, as repositories have them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "max_position_embeddings": 256,
    "vocab_size": 300,
}


def document(value: Any) -> bytes:
    """A JSON file."""
    return json.dumps(value).encode()


def weights(count: int = 1000, *, dtype: str = "float32") -> bytes:
    """A safetensors file of one tensor of so many values."""
    return save({"weight": np.arange(count, dtype=dtype)})


def llama(**changes: Any) -> dict[str, bytes]:
    """A decoder with a chat template. A change of None leaves the file out."""
    files: dict[str, Any] = {
        "config.json": document(LLAMA),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": document({"chat_template": "{{ messages }}"}),
        "model.safetensors": weights(),
        "README.md": b"# tiny\n",
        "modeling_tiny.py": b"raise SystemExit\n",
        "pytorch_model.bin": b"a pickle",
        "onnx/config.json": b"{}",
        "logo.png": b"png",
        **changes,
    }
    return {name: content for name, content in files.items() if content is not None}
