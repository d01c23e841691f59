"""SmolLM2-135M-Instruct from GGUF into a directory as hubs have it: `python convert_smollm2.py FILE.gguf DIRECTORY`.

transformers reads GGUF through the package gguf, which has to be on the path, and refuses to save a model that it has
read so. The weights go into a fresh network of the same configuration, and are stored as the original was, in bf16.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
SmolLM2-135M-Instruct of Hugging Face, with the weights of its 4-bit release (Q4_1) unpacked.
"""
_FORGOTTEN = ("quantization_config", "_name_or_path", "_model_name_or_path", "torch_dtype", "dtype")


def main(source: Path, target: Path) -> None:
    """Read, copy, save."""
    where = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    found = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    facts = {name: value for name, value in found.config.to_dict().items() if name not in _FORGOTTEN}
    model = LlamaForCausalLM(LlamaConfig(**facts))
    model.load_state_dict(found.state_dict())
    model.tie_weights()
    tokenizer = AutoTokenizer.from_pretrained(**where)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)
    (target / "README.md").write_text(CARD, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
