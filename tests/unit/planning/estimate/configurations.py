"""Configurations of well-known models, as their authors published them, cut down to what sizes follow from."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def _decoder(kind: str, *, vocab: int, hidden: int, inner: int, layers: int, heads: int, kv: int, **more: Any) -> Json:
    return {
        "model_type": kind,
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        **more,
    }


LLAMA_31_8B = _decoder(
    "llama", vocab=128256, hidden=4096, inner=14336, layers=32, heads=32, kv=8, tie_word_embeddings=False
)
LLAMA_31_70B = _decoder(
    "llama", vocab=128256, hidden=8192, inner=28672, layers=80, heads=64, kv=8, tie_word_embeddings=False
)
LLAMA_31_405B = _decoder(
    "llama", vocab=128256, hidden=16384, inner=53248, layers=126, heads=128, kv=8, tie_word_embeddings=False
)
LLAMA_32_1B = _decoder(
    "llama", vocab=128256, hidden=2048, inner=8192, layers=16, heads=32, kv=8, head_dim=64, tie_word_embeddings=True
)
LLAMA_32_3B = _decoder(
    "llama", vocab=128256, hidden=3072, inner=8192, layers=28, heads=24, kv=8, head_dim=128, tie_word_embeddings=True
)
LLAMA_2_7B = _decoder("llama", vocab=32000, hidden=4096, inner=11008, layers=32, heads=32, kv=32)
MISTRAL_7B = _decoder("mistral", vocab=32000, hidden=4096, inner=14336, layers=32, heads=32, kv=8, sliding_window=4096)
MIXTRAL_8X7B = _decoder(
    "mixtral",
    vocab=32000,
    hidden=4096,
    inner=14336,
    layers=32,
    heads=32,
    kv=8,
    num_local_experts=8,
    num_experts_per_tok=2,
    sliding_window=None,
    tie_word_embeddings=False,
)
QWEN25_7B = _decoder(
    "qwen2",
    vocab=152064,
    hidden=3584,
    inner=18944,
    layers=28,
    heads=28,
    kv=4,
    sliding_window=131072,
    use_sliding_window=False,
    max_window_layers=28,
    tie_word_embeddings=False,
)
QWEN25_05B = _decoder(
    "qwen2", vocab=151936, hidden=896, inner=4864, layers=24, heads=14, kv=2, tie_word_embeddings=True
)
QWEN3_8B = _decoder(
    "qwen3", vocab=151936, hidden=4096, inner=12288, layers=36, heads=32, kv=8, head_dim=128, tie_word_embeddings=False
)
QWEN3_30B_A3B = _decoder(
    "qwen3_moe",
    vocab=151936,
    hidden=2048,
    inner=6144,
    layers=48,
    heads=32,
    kv=4,
    head_dim=128,
    num_experts=128,
    num_experts_per_tok=8,
    moe_intermediate_size=768,
    decoder_sparse_step=1,
    mlp_only_layers=[],
    tie_word_embeddings=False,
)
GEMMA_2_9B = _decoder(
    "gemma2", vocab=256000, hidden=3584, inner=14336, layers=42, heads=16, kv=8, head_dim=256, sliding_window=4096
)
GEMMA_2_2B = _decoder(
    "gemma2", vocab=256000, hidden=2304, inner=9216, layers=26, heads=8, kv=4, head_dim=256, sliding_window=4096
)
GEMMA_3_1B = _decoder(
    "gemma3_text",
    vocab=262144,
    hidden=1152,
    inner=6912,
    layers=26,
    heads=4,
    kv=1,
    head_dim=256,
    sliding_window=512,
    sliding_window_pattern=6,
)
PHI_3_MINI = _decoder(
    "phi3",
    vocab=32064,
    hidden=3072,
    inner=8192,
    layers=32,
    heads=32,
    kv=32,
    sliding_window=2047,
    tie_word_embeddings=False,
)
GPT_OSS_20B = _decoder(
    "gpt_oss",
    vocab=201088,
    hidden=2880,
    inner=2880,
    layers=24,
    heads=64,
    kv=8,
    head_dim=64,
    num_local_experts=32,
    num_experts_per_tok=4,
    experts_per_token=4,
    attention_bias=True,
    sliding_window=128,
    layer_types=["sliding_attention", "full_attention"] * 12,
    tie_word_embeddings=False,
)
STARCODER_2_3B = _decoder(
    "starcoder2", vocab=49152, hidden=3072, inner=12288, layers=30, heads=24, kv=2, sliding_window=4096
)
OLMO_2_7B = _decoder(
    "olmo2", vocab=100352, hidden=4096, inner=11008, layers=32, heads=32, kv=32, tie_word_embeddings=False
)
PYTHIA_160M: Json = {
    "model_type": "gpt_neox",
    "vocab_size": 50304,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "tie_word_embeddings": False,
}
GPT_2: Json = {
    "model_type": "gpt2",
    "vocab_size": 50257,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_positions": 1024,
    "n_ctx": 1024,
}
BERT_BASE: Json = {
    "model_type": "bert",
    "architectures": ["BertForMaskedLM"],
    "vocab_size": 30522,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
ROBERTA_BASE: Json = BERT_BASE | {
    "model_type": "roberta",
    "architectures": ["RobertaForMaskedLM"],
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
}
