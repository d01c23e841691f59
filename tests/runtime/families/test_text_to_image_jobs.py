"""Image models without quality: checkpoints of others, parts, interruptions, broken artifacts and bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.families.encoders import interrupted
from runtime.families.jobs import Trained, train
from runtime.families.painters import TEXT, drawn
from runtime.families.pictures import images_of
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from hostler_contract import ErrorReason
from hostler_runtime.errors import classify
from hostler_runtime.families.text_to_image.serving import load
from hostler_runtime.protocols.serving import LoadOptions, UnservableError
from hostler_runtime.protocols.tasks import ImageRequest

SMALL = {
    "autoencoder": {"imageSize": 16, "latentChannels": 2, "blockWidths": [8, 8]},
    "textEncoder": {**TEXT, "layers": 1, "hiddenSize": 16, "heads": 2},
    "blockWidths": [16, 16],
}
pytestmark = pytest.mark.usefixtures("cheap_figures")
QUICK = {"steps": 6, "batchSize": 8, "learningRate": 1e-3}


def quick(root: Path, folder: Path, **fields: Any) -> Trained:
    """A few steps of every stage."""
    return train(
        root,
        **{
            "family": "text-to-image",
            "model": {"diffusion": SMALL},
            "dataset": images_of(folder),
            "hyperparameters": QUICK,
            **fields,
        },
    )


def test_a_published_checkpoint_is_served_as_it_is(published: Path) -> None:
    model = load(published, options=LoadOptions())
    images = drawn(model, [ImageRequest("a red dog", 1, steps=2), ImageRequest("a cat", 2, steps=2)])
    assert images.shape == (2, 16, 16, 3)
    defaults = model.batch_key(ImageRequest("a", 1))
    assert (defaults.steps, defaults.guidance) == (50, 7.5)  # type: ignore[attr-defined]


def test_a_published_checkpoint_is_fine_tuned(published: Path, few: Path, tmp_path: Path) -> None:
    outcome = quick(
        tmp_path, few, model={}, objective={"kind": "finetune"}, inputs={"base": str(published)},
        hyperparameters={**QUICK, "steps": 40},
    )  # fmt: skip
    comparison = outcome.result.comparison
    assert comparison is not None
    assert comparison.after.metrics["validation_loss"] < comparison.before.metrics["validation_loss"]
    for part in ("vae", "text_encoder"):
        name = "model.safetensors" if part == "text_encoder" else "diffusion_pytorch_model.safetensors"
        before, after = load_file(published / part / name), load_file(outcome.model / part / name)
        assert all(torch.equal(before[key], after[key]) for key in before), f"{part} is left as it is"
    assert isinstance(AutoTokenizer.from_pretrained(outcome.model / "tokenizer")("a dog")["input_ids"], list)
    assert len(drawn(load(outcome.model, options=LoadOptions()), [ImageRequest("seven", 1, steps=2)])) == 1


def test_takes_its_autoencoder_from_another_model(few: Path, tmp_path: Path) -> None:
    sizes = {"imageSize": 16, "latentChannels": 2, "blockWidths": [8, 8]}
    vae = quick(tmp_path / "vae", few, family="vae", model={"autoencoder": sizes})
    without = {key: value for key, value in SMALL.items() if key != "autoencoder"}
    outcome = quick(
        tmp_path / "painter", few, model={"diffusion": without}, inputs={"parts": {"autoencoder": str(vae.model)}}
    )
    name = "diffusion_pytorch_model.safetensors"
    before, after = load_file(vae.model / name), load_file(outcome.model / "vae" / name)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_takes_its_text_encoder_with_the_tokenizer_from_another_model(
    published: Path, few: Path, tmp_path: Path
) -> None:
    outcome = quick(tmp_path / "painter", few, inputs={"parts": {"text_encoder": str(published)}})

    before, after = (load_file(path / "text_encoder" / "model.safetensors") for path in (published, outcome.model))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    tokens = [
        AutoTokenizer.from_pretrained(path / "tokenizer")("a dog")["input_ids"] for path in (published, outcome.model)
    ]
    assert tokens[0] == tokens[1]


@pytest.fixture(scope="module")
def uninterrupted(cheap_figures: None, few: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A few steps in one go."""
    return quick(tmp_path_factory.mktemp("whole"), few, evaluation={"samples": 0})


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(1, id="while the autoencoder learns"),
        pytest.param(3, id="while the text encoder learns"),
        pytest.param(5, id="while the U-Net learns"),
    ],
)
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    uninterrupted: Trained, tmp_path: Path, after: int
) -> None:
    job = uninterrupted.job.model_copy(update={"workspace": str(tmp_path / "workspace")})
    halves = interrupted(job, after=after)
    for path in sorted(uninterrupted.model.rglob("*.safetensors")):
        first, second = load_file(path), load_file(halves.model / path.relative_to(uninterrupted.model))
        assert all(torch.equal(first[key], second[key]) for key in first), path.name
    assert uninterrupted.result.metrics == halves.result.metrics


def test_half_of_the_denoisers_weights_can_go(published: Path, few: Path, tmp_path: Path) -> None:
    outcome = quick(
        tmp_path,
        few,
        model={},
        objective={"kind": "prune", "prune": {"sparsity": 0.5}},
        inputs={"base": str(published)},
    )
    assert outcome.result.metrics["sparsity"] == pytest.approx(0.5, abs=0.01)


def without_tensor(directory: Path) -> None:
    """A damage: one tensor is missing."""
    path = directory / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    del tensors["conv_in.weight"]
    save_file(tensors, path)


def diverged(directory: Path) -> None:
    """A damage: weights of a run that went wrong."""
    path = directory / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_in.weight"].fill_(float("nan"))
    save_file(tensors, path)


def another_pipeline(directory: Path) -> None:
    """A damage: a pipeline of another kind."""
    (directory / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))


def pickled(directory: Path) -> None:
    """A damage: weights that can run code."""
    path = directory / "vae" / "diffusion_pytorch_model.safetensors"
    path.rename(path.with_suffix(".bin"))


def other_text_encoder(directory: Path) -> None:
    """A damage: a text encoder of another width."""
    torch.manual_seed(0)
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=54, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=24,
        )
    ).save_pretrained(directory / "text_encoder")  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(shutil.rmtree, "is the model's volume mounted", id="no directory"),
        pytest.param(lambda path: (path / "model_index.json").unlink(), "has no model_index.json", id="no index"),
        pytest.param(another_pipeline, "describes FluxPipeline", id="another pipeline"),
        pytest.param(lambda path: shutil.rmtree(path / "tokenizer"), "has no tokenizer", id="no tokenizer"),
        pytest.param(lambda path: shutil.rmtree(path / "scheduler"), "no directory", id="no scheduler"),
        pytest.param(without_tensor, "1 tensors are missing", id="a tensor missing"),
        pytest.param(diverged, "NaN", id="weights that are no numbers"),
        pytest.param(pickled, "can run code", id="weights as a pickle"),
        pytest.param(other_text_encoder, "do not fit together", id="parts of two models"),
    ],
)
def test_broken_artifacts_are_refused(published: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(published)
    with pytest.raises(UnservableError, match=sentence) as raised:
        load(published, options=LoadOptions())
    assert raised.value.reason is ErrorReason.ARTIFACT_UNREADABLE


def test_a_directory_that_holds_no_adapter_is_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(UnservableError, match=r"adapter none: .* has no pytorch_lora_weights.safetensors"):
        load(published, options=LoadOptions(adapters={"none": tmp_path}))


def without_caption(folder: Path) -> None:
    """A damage: nothing is said of one image."""
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("label")
    rows[4]["caption"] = None
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("damage", "changes", "reason", "sentence"),
    [
        pytest.param(without_caption, {}, ErrorReason.DATASET_INVALID, "metadata.jsonl:5: caption", id="no caption"),
        pytest.param(None, {"blockWidths": [20, 20]}, ErrorReason.INVALID_CONFIGURATION, "multiples of 8", id="widths"),
        pytest.param(
            None, {"blockWidths": [16] * 5}, ErrorReason.INVALID_CONFIGURATION, "cannot be halved", id="too deep"
        ),
        pytest.param(
            None, {"autoencoder": None}, ErrorReason.INVALID_CONFIGURATION, "has no autoencoder", id="no autoencoder"
        ),
    ],
)
def test_bad_input_is_named(
    few: Path,
    tmp_path: Path,
    damage: Callable[[Path], None] | None,
    changes: dict[str, Any],
    reason: ErrorReason,
    sentence: str,
) -> None:
    folder = Path(shutil.copytree(few, tmp_path / "data"))
    if damage is not None:
        damage(folder)
    with pytest.raises(Exception, match=sentence) as raised:
        quick(tmp_path, folder, model={"diffusion": {**SMALL, **changes}})
    assert classify(raised.value).reason is reason
