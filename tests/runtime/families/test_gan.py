"""Adversarial networks on handwritten digits: what the generator draws, and what it refuses."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runtime.families import digits
from runtime.families.encoders import interrupted
from runtime.families.jobs import Trained, served, train
from runtime.families.pictures import images_of, pixels
from safetensors.torch import load_file

from hostler_contract import ErrorReason
from hostler_runtime.errors import classify
from hostler_runtime.families.gan.serving import GeneratorModel, load
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.protocols.tasks import ImageRequest

SIZES = {"imageSize": 16, "latentSize": 32, "baseWidth": 8}
QUICK = {"steps": 6, "batchSize": 8, "learningRate": 8e-4}
DRAWN = 500


def job(root: Path, folder: Path, *, steps: int) -> Trained:
    """All digits, for so many steps."""
    return train(
        root,
        family="gan",
        model={"gan": SIZES},
        dataset=images_of(folder),
        hyperparameters={"steps": steps, "batchSize": 32, "learningRate": 8e-4, "warmupSteps": 10},
        evaluation={"samples": 20},
    )


@pytest.fixture(scope="session")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The one that all figures are of."""
    return job(tmp_path_factory.mktemp("gan"), folder, steps=1200)


@pytest.fixture(scope="session")
def brief(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One that is there to be served, and no more."""
    return job(tmp_path_factory.mktemp("brief-gan"), few, steps=20)


@pytest.fixture(scope="session")
def model(trained: Trained) -> GeneratorModel:
    """As a server loads it."""
    return load(trained.model, options=LoadOptions())


@pytest.fixture(scope="session")
def brief_model(brief: Trained) -> GeneratorModel:
    """The other, as a server loads it."""
    return load(brief.model, options=LoadOptions())


@pytest.fixture(scope="session")
def drawn(model: GeneratorModel) -> np.ndarray:
    """Images of one class after the other."""
    requests = [ImageRequest(digits.WORDS[seed % 10], seed) for seed in range(DRAWN)]
    return np.stack([pixels(result.png) for result in model.run_batch(requests).results])


@pytest.mark.quality
def test_draws_the_digit_that_the_prompt_names(drawn: np.ndarray, reader: digits.Reader) -> None:
    asked = np.arange(DRAWN) % 10
    read = reader.read(drawn)
    assert np.mean(read == asked) >= 0.8
    assert set(read) == set(range(10))
    shuffled = np.random.default_rng(0).permutation(asked)
    assert np.mean(read == shuffled) <= 0.2, "the control: the bound has teeth"


@pytest.mark.quality
def test_draws_digits_as_varied_as_real_ones(drawn: np.ndarray) -> None:
    real = digits.load()
    asked = np.arange(DRAWN) % 10

    def spread(images: np.ndarray) -> float:
        return float(np.std(images.astype(np.float64), axis=0).mean())

    assert 0.7 <= spread(drawn) / spread(real.images) <= 1.3
    # One image for each class would pass the line above; this one it fails.
    within = [(spread(drawn[asked == one]), spread(real.images[real.labels == one])) for one in range(10)]
    assert sum(one for one, _ in within) / sum(other for _, other in within) >= 0.5


@pytest.mark.quality
def test_its_own_judge_comes_to_the_same_verdict(trained: Trained) -> None:
    figures = trained.result.metrics
    assert figures["judge_accuracy"] >= 0.9
    assert figures["class_agreement"] >= 0.8
    assert figures["class_agreement_shuffled"] <= 0.2
    assert 0.7 <= figures["pixel_spread"] <= 1.3


def test_an_image_is_its_seeds_alone_whatever_shares_the_batch(brief_model: GeneratorModel) -> None:
    model = brief_model
    alone = model.run_batch([ImageRequest("three", 5)]).results[0]
    beside = model.run_batch([ImageRequest("", 1), ImageRequest("three", 5), ImageRequest("nine", 5)]).results
    assert pixels(alone.png).astype(int) == pytest.approx(pixels(beside[1].png).astype(int), abs=1)
    assert beside[1].png != beside[2].png


@pytest.mark.quality
def test_answers_the_openai_client(trained: Trained, reader: digits.Reader, tmp_path: Path) -> None:
    sample = {"path": "/v1/images/generations", "body": {"prompt": "", "n": 1}}
    with served(trained, tmp_path, task="unconditional-image-generation", sampleRequest=sample) as client:
        answer = client.images.generate(model="tiny", prompt="Four", n=4, extra_body={"seed": 3})
        with pytest.raises(Exception, match="one of: eight, five"):
            client.images.generate(model="tiny", prompt="a horse")
    images = [pixels(base64.b64decode(one.b64_json or "")) for one in answer.data or ()]
    assert np.mean(reader.read(images) == 4) >= 0.75


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        pytest.param(ImageRequest("horse", 1), "knows no class 'horse'", id="an unknown class"),
        pytest.param(ImageRequest("one", 1, guidance=3.0), "no use for guidance", id="guidance"),
        pytest.param(ImageRequest("one", 1, adapter="bold"), "no use for adapter", id="a style"),
        pytest.param(ImageRequest("one", 1, height=8, width=8), "16x16, not 8x8", id="another size"),
    ],
)
def test_refuses_what_it_cannot_draw(brief_model: GeneratorModel, request_: ImageRequest, sentence: str) -> None:
    with pytest.raises(PromptRejectedError, match=sentence):
        brief_model.check(request_)


def quick(root: Path, folder: Path, **fields: Any) -> Trained:
    """A few steps."""
    return train(
        root,
        **{"family": "gan", "model": {"gan": SIZES}, "dataset": images_of(folder), "hyperparameters": QUICK, **fields},
    )


def test_learns_without_labels_and_then_takes_no_prompt(few: Path, tmp_path: Path) -> None:
    listing = few / "metadata.jsonl"
    bare = tmp_path / "bare"
    bare.mkdir()
    for row in map(json.loads, listing.read_text().splitlines()):
        (bare / row["file_name"]).write_bytes((few / row["file_name"]).read_bytes())
    outcome = quick(tmp_path, bare)
    assert "class_agreement" not in outcome.result.metrics
    model = load(outcome.model, options=LoadOptions())
    assert pixels(model.run_batch([ImageRequest("", 1)]).results[0].png).shape == (16, 16)
    with pytest.raises(PromptRejectedError, match="knows no classes"):
        model.check(ImageRequest("seven", 1))


def test_r1_penalizes_slopes_instead(few: Path, tmp_path: Path) -> None:
    outcome = quick(tmp_path, few, model={"gan": {**SIZES, "regularization": "r1"}})
    weights = load_file(outcome.model / "discriminator" / "diffusion_pytorch_model.safetensors")
    assert not [name for name in weights if "parametrizations" in name]
    assert load(outcome.model, options=LoadOptions()).run_batch([ImageRequest("two", 1)]).results


@pytest.mark.quality
def test_goes_on_from_a_model_with_its_opponent(trained: Trained, few: Path, tmp_path: Path) -> None:
    outcome = quick(tmp_path, few, model={}, objective={"kind": "finetune"}, inputs={"base": str(trained.model)})
    comparison = outcome.result.comparison
    assert comparison is not None
    assert comparison.before.metrics["class_agreement"] > 0.6
    assert comparison.after.metrics["class_agreement"] > 0.6, "six steps must not undo what was learnt"


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(few: Path, tmp_path: Path) -> None:
    common = {"checkpoint": {"everySteps": 2}}
    whole = quick(tmp_path / "whole", few, **common)
    job = whole.job.model_copy(update={"workspace": str(tmp_path / "halves" / "workspace")})
    halves = interrupted(job, after=3)
    for name in ("diffusion_pytorch_model.safetensors", "discriminator/diffusion_pytorch_model.safetensors"):
        first, second = load_file(whole.model / name), load_file(halves.model / name)
        assert all(torch.equal(first[key], second[key]) for key in first), name


def test_takes_no_labels_that_only_held_out_images_have(few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [json.loads(line) for line in (few / "metadata.jsonl").read_text().splitlines()]
    for index, row in enumerate(rows):
        (folder / row["file_name"]).write_bytes((few / row["file_name"]).read_bytes())
        row["label"] = f"only {index}"
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        Exception, match=r"metadata.jsonl:\d+: label 'only \d+' occurs only among the held-out"
    ) as raised:
        quick(tmp_path, folder)
    assert classify(raised.value).reason is ErrorReason.DATASET_INVALID


def another_class(directory: Path) -> None:
    """A damage: a network of somebody else's."""
    (directory / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))


def more_classes(directory: Path) -> None:
    """A damage: a configuration that belongs to other weights."""
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": ["one", "two", "three"]}))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(another_class, "describes AutoencoderKL, not HostlerGenerator", id="another architecture"),
        pytest.param(more_classes, "tensors have another shape", id="another number of classes"),
        pytest.param(
            lambda path: (path / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 100),
            "cannot read",
            id="damaged",
        ),
    ],
)
def test_broken_artifacts_are_refused(
    brief: Trained, damage: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(brief.model, tmp_path / "model"))
    damage(directory)
    with pytest.raises(UnservableError, match=sentence) as raised:
        load(directory, options=LoadOptions())
    assert raised.value.reason is ErrorReason.ARTIFACT_UNREADABLE


@pytest.mark.parametrize("size", [12, 4])
def test_sizes_that_the_generator_cannot_double_to_are_refused(few: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(Exception, match="not a power of two from 8 up") as raised:
        quick(tmp_path, few, model={"gan": {**SIZES, "imageSize": size}})
    assert classify(raised.value).reason is ErrorReason.INVALID_CONFIGURATION
