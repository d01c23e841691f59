"""What a model's own files say of it. Pure: files come in as JSON, weights as the headers of safetensors.

The header of a safetensors file is eight bytes with its length and a JSON object: name of the tensor to dtype, shape
and place (https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hostler_contract.architectures import TransformerSizes
from hostler_contract.huggingface import text_part, transformer_sizes, whole_number
from hostler_contract.importing import ImportedFacts, ImportReason
from hostler_runtime.importing.choice import CONFIGURATION, PIPELINE
from hostler_runtime.importing.failure import ImportFailure

HEADER_LIMIT: Final = 100_000_000
"""Bytes of a header, as the format's own reader bounds it."""
_READ_QUANTIZED: Final = "torchao"
"""Quantized weights that the runtime images can read."""
_BITS: Final = {"F64": 64, "I64": 64, "F32": 32, "I32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I8": 8}
_ENCODERS: Final = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "modernbert": "ModernBert"}
"""Model type of an encoder to the beginning of its classes' names."""
_TASKS: Final = {
    "Model": "feature-extraction",
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForQuestionAnswering": "question-answering",
}
"""End of the name of an encoder's class to what it is for."""
_SHIFTED: Final = frozenset({"roberta", "xlm-roberta"})
"""Encoders whose first position has the number of the padding token and one: the table is longer than the context."""
_SPEECH: Final = frozenset({"WhisperForConditionalGeneration", "ParakeetForCTC"})
_PIPELINES: Final = {
    "StableDiffusionPipeline": ("text-to-image", "text-to-image"),
    "StableDiffusionXLPipeline": ("text-to-image", "text-to-image"),
    "TextToVideoSDPipeline": ("text-to-video", "text-to-video"),
    "HostlerTextToVideo": ("text-to-video", "text-to-video"),
}
_CODE: Final = frozenset({"starcoder2", "gpt_bigcode", "codegen"})
"""Model types whose models all write code; others say so by the tag ``code`` of their card."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the libraries beside us know by themselves."""

    decoders: Collection[str]
    """Classes of decoder-only language models."""
    types: Collection[str]
    """Model types that need no code from a repository."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a model is."""

    family: str
    task: str
    architecture: str


@dataclass(kw_only=True)
class Tensors:
    """Counts over all stored tensors."""

    parameters: int = 0
    size: int = 0
    """In bytes."""
    dtypes: Counter[str] = field(default_factory=Counter)
    """Values of each dtype."""


def kind_of(documents: Mapping[str, Any], *, names: Collection[str], tags: Collection[str], known: Known) -> Kind:
    """Family, task and architecture by configuration and files. Raises ``ImportFailure`` where no family of ours knows
    such a model, where it needs remote code, or where a file is missing that every server needs."""
    if PIPELINE in documents:
        return _pipeline(documents[PIPELINE])
    config = _mapping(documents.get(CONFIGURATION), CONFIGURATION)
    declared = [str(name) for name in config.get("architectures") or ()]
    model_type = str(config.get("model_type") or "")
    _refuse_remote_code(documents, model_type, known)
    _refuse_rounding(config)
    architecture = declared[0] if declared else model_type or "unnamed"
    if any(name in _SPEECH for name in declared):
        _need(names, "preprocessor_config.json", "tokenizer.json")
        return Kind(family="speech-to-text", task="automatic-speech-recognition", architecture=architecture)
    if (task := _task_of_encoder(model_type, architecture)) is not None:
        _need(names, ("tokenizer.json", "vocab.txt") if model_type == "bert" else "tokenizer.json")
        _require_pair(documents, whole_number(config, "vocab_size"))
        return Kind(family="bert", task=task, architecture=architecture)
    if any(name in known.decoders for name in declared) and not config.get("is_encoder_decoder"):
        _need(names, "tokenizer.json")
        _require_pair(documents, whole_number(text_part(config), "vocab_size"))
        writes_code = model_type in _CODE or ("code" in tags and not has_template(documents, names))
        return Kind(family="code" if writes_code else "chat", task="text-generation", architecture=architecture)
    raise ImportFailure(
        ImportReason.UNSUPPORTED_ARCHITECTURE,
        f"{CONFIGURATION} names {architecture}, which no family of this release serves: decoders (such as "
        "LlamaForCausalLM) are chat or code, BERT, RoBERTa, XLM-RoBERTa and ModernBERT with their heads bert, Whisper "
        "and Parakeet speech-to-text, "
        "StableDiffusionPipeline and StableDiffusionXLPipeline text-to-image; name a model of these",
    )


def _task_of_encoder(model_type: str, architecture: str) -> str | None:
    """None where it is no encoder that a server of ours loads."""
    if model_type not in _ENCODERS:
        return None
    if architecture == model_type:
        return _TASKS["Model"]
    beginning = _ENCODERS[model_type]
    return _TASKS.get(architecture.removeprefix(beginning)) if architecture.startswith(beginning) else None


def has_template(documents: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether a chat template comes with the tokenizer."""
    tokenizer = documents.get("tokenizer_config.json")
    return "chat_template.jinja" in names or bool(isinstance(tokenizer, dict) and tokenizer.get("chat_template"))


def facts(
    kind: Kind, documents: Mapping[str, Any], *, names: Collection[str], tensors: Tensors, license: str | None
) -> ImportedFacts:
    """Everything that sizing and serving ask. Raises ``ImportFailure`` where the weights hold nothing."""
    if not tensors.parameters:
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, "the weights hold no tensors: name a complete revision")
    config = documents.get(CONFIGURATION)
    sizes = text_part(config) if isinstance(config, dict) else {}
    network = transformer_sizes(sizes)
    text = kind.family in {"chat", "code", "bert"}
    decoder = kind.family in {"chat", "code"}
    return ImportedFacts(
        family=kind.family,
        task=kind.task,
        architecture=kind.architecture,
        license=license_name(license),
        parameters=tensors.parameters,
        weights_bytes=tensors.size,
        context_length=_context_length(sizes) if text else None,
        vocabulary_size=whole_number(sizes, "vocab_size"),
        kv_bytes_per_token=_kv_bytes(network, _stored_bytes(tensors)) if decoder else None,
        quantization=_quantization(sizes),
        chat_template=has_template(documents, names) if decoder else None,
        sizes=network if text else None,
    )


def _context_length(sizes: Mapping[str, Any]) -> int | None:
    positions = whole_number(sizes, "max_position_embeddings", "n_positions", "n_ctx")
    if positions is None or sizes.get("model_type") not in _SHIFTED:
        return positions
    padding = sizes.get("pad_token_id", 1)
    return positions - padding - 1 if isinstance(padding, int) else positions


def read_header(head: bytes, *, name: str, file_size: int) -> Tensors:
    """The tensors of one file. ``head`` is at least the length and the header. Raises ``ImportFailure``."""
    try:
        length = int.from_bytes(head[:8], "little")
        header = json.loads(head[8 : 8 + length])
        entries = {key: value for key, value in header.items() if key != "__metadata__"}
        found = Tensors()
        end = 0
        for entry in entries.values():
            count = math.prod(entry["shape"])
            found.parameters += count
            found.dtypes[entry["dtype"]] += count
            end = max(end, entry["data_offsets"][1])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, f"{name} is no safetensors file: {error}") from error
    if 8 + length + end != file_size:
        text = f"{name} has {file_size:,} bytes, and its header speaks of {8 + length + end:,}: name another revision"
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)
    found.size = end
    return found


def total(found: Iterable[Tensors]) -> Tensors:
    """The sum over files."""
    everything = Tensors()
    for each in found:
        everything.parameters += each.parameters
        everything.size += each.size
        everything.dtypes += each.dtypes
    return everything


_LICENSES: Final = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "gpl-3.0": "GPL-3.0-only",
    "agpl-3.0": "AGPL-3.0-only",
    "cc0-1.0": "CC0-1.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
}


def license_name(hub: str | None) -> str | None:
    """SPDX's name of a licence where it has one, else the hub's own."""
    return None if hub is None else _LICENSES.get(hub.lower(), hub)


def _require_pair(documents: Mapping[str, Any], vocabulary: int | None) -> None:
    """That the tokenizer has no more tokens than the network. Raises ``ImportFailure``."""
    tokens = _tokens(documents.get("tokenizer.json"))
    if vocabulary is not None and tokens > vocabulary:
        text = (
            f"tokenizer.json has {tokens:,} tokens, and {CONFIGURATION} a vocabulary of {vocabulary:,}: they are not a "
            "pair; name a revision where they are"
        )
        raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)


def _tokens(tokenizer: Any) -> int:
    """Ids that a tokenizer may put out; 0 where that cannot be seen."""
    if not isinstance(tokenizer, dict):
        return 0
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else [len(vocabulary or ()) - 1]
    ids += [entry.get("id") for entry in added or () if isinstance(entry, dict)]
    return 1 + max((each for each in ids if isinstance(each, int)), default=-1)


def _pipeline(index: Any) -> Kind:
    name = str(_mapping(index, PIPELINE).get("_class_name") or "unnamed")
    if name not in _PIPELINES:
        raise ImportFailure(
            ImportReason.UNSUPPORTED_ARCHITECTURE,
            f"{PIPELINE} names {name}, which no family of this release serves; known: {', '.join(sorted(_PIPELINES))}",
        )
    family, task = _PIPELINES[name]
    return Kind(family=family, task=task, architecture=name)


def _refuse_remote_code(documents: Mapping[str, Any], model_type: str, known: Known) -> None:
    config = documents[CONFIGURATION]
    if model_type in known.types or not config.get("auto_map"):
        return  # a model that the library knows brings code for older releases of it, which is not needed
    places = ", ".join(sorted({str(place).split(".")[0] + ".py" for place in _strings(config["auto_map"])})[:3])
    raise ImportFailure(
        ImportReason.REMOTE_CODE,
        f"{CONFIGURATION} needs code of the repository ({places}) for model type {model_type or 'unnamed'}, and such "
        "code is never run: name a model whose type transformers knows by itself",
    )


def _refuse_rounding(config: Mapping[str, Any]) -> None:
    how = _quantization(config)
    if how is not None and how != _READ_QUANTIZED:
        raise ImportFailure(
            ImportReason.UNSUPPORTED_FORMAT,
            f"the weights are quantized by {how}, and servers of ours read such of {_READ_QUANTIZED} only: name the "
            "repository with the weights as they were before, and quantize those with a TrainingJob (objective "
            "quantize)",
        )


def _quantization(config: Mapping[str, Any]) -> str | None:
    """How weights are rounded, by the name that transformers knows the way by; None where they are not."""
    found = config.get("quantization_config")
    if not isinstance(found, dict):
        return None
    name = re.sub(r"[^a-z0-9._-]", "-", str(found.get("quant_method") or "unnamed").lower())
    return name[:63] or "unnamed"


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _need(names: Collection[str], *needed: str | tuple[str, ...]) -> None:
    for each in needed:
        ways = (each,) if isinstance(each, str) else each
        if not any(name in names for name in ways):
            raise ImportFailure(
                ImportReason.UNSUPPORTED_FORMAT,
                f"there is no {' or '.join(ways)}, which every server of such a model needs: name a revision that has "
                "it, or save the tokenizer with a current transformers and put the directory onto a claim",
            )


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ImportFailure(
            ImportReason.UNSUPPORTED_FORMAT, f"{name} is not a JSON object: name a revision that is complete"
        )
    return value


def _kv_bytes(sizes: TransformerSizes, stored: int) -> int | None:
    """None where keys and values are not one vector for each head, such as with a latent of them."""
    if sizes.layers is None or sizes.kv_heads is None or sizes.head_size is None:
        return None
    return 2 * sizes.layers * sizes.kv_heads * sizes.head_size * stored


def _stored_bytes(tensors: Tensors) -> int:
    """Bytes of a value in the most frequent dtype that computes; packed integers compute in half precision."""
    most = tensors.dtypes.most_common(1)[0][0]
    return 4 if _BITS.get(most, 16) >= 32 and most.startswith("F") else 2
