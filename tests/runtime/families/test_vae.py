"""An autoencoder of handwritten digits: what it keeps of unseen ones, what it draws, and what it refuses."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from runtime.families import digits
from runtime.families.jobs import Trained, served, train
from runtime.families.pictures import as_png, images_of, pixels
from safetensors.torch import load_file, save_file

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.families.vae.serving import AutoencoderModel, load
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.protocols.tasks import DecodeRequest, EncodeRequest, ImageRequest

SIZES = {"imageSize": 16, "latentChannels": 4, "blockWidths": [16, 32, 32]}
SMALL = {"imageSize": 16, "latentChannels": 2, "blockWidths": [8, 8]}
LEARNING = {"batchSize": 32, "learningRate": 2e-3, "warmupSteps": 20, "weightDecay": 0.01}
QUICK = {"steps": 4, "batchSize": 8, "learningRate": 1e-3}


def job(root: Path, folder: Path, *, steps: int) -> Trained:
    """All digits, for so many steps."""
    return train(
        root,
        family="vae",
        model={"autoencoder": SIZES},
        dataset=images_of(folder),
        hyperparameters={**LEARNING, "steps": steps},
        evaluation={"samples": 16},
    )


@pytest.fixture(scope="session")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The one that all figures are of."""
    return job(tmp_path_factory.mktemp("vae"), folder, steps=400)


@pytest.fixture(scope="session")
def brief(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One that is there to be served, and no more."""
    return job(tmp_path_factory.mktemp("brief-vae"), few, steps=20)


@pytest.fixture(scope="session")
def model(trained: Trained) -> AutoencoderModel:
    """As a server loads it."""
    return load(trained.model, options=LoadOptions())


@pytest.fixture(scope="session")
def brief_model(brief: Trained) -> AutoencoderModel:
    """The other, as a server loads it."""
    return load(brief.model, options=LoadOptions())


@pytest.mark.quality
def test_unseen_digits_come_back_and_another_digits_latent_does_not_help(trained: Trained) -> None:
    figures = trained.result.metrics
    assert figures["validation_mse"] <= 0.5 * figures["mean_image_mse"]
    assert figures["validation_mse"] <= 0.15 * figures["mean_image_mse"], "what this network reaches"
    assert figures["shuffled_mse"] > 0.5 * figures["mean_image_mse"], "the control: the bound has teeth"


@pytest.mark.quality
def test_drawn_digits_are_recognizable_and_of_all_classes(model: AutoencoderModel, reader: digits.Reader) -> None:
    requests = [ImageRequest("", seed) for seed in range(100)]
    drawn = np.stack([pixels(result.png) for result in model.run_batch(requests).results])
    recognized = reader.recognized(drawn)
    assert np.mean(recognized) >= 0.7
    assert len(set(reader.read(drawn)[recognized])) == 10


@pytest.mark.quality
def test_draws_from_the_unit_normal_are_not_recognizable(
    model: AutoencoderModel, trained: Trained, reader: digits.Reader, tmp_path: Path
) -> None:
    """The control: without the fitted density the same decoder draws what lies between digits."""
    bare = tmp_path / "bare"
    shutil.copytree(trained.model, bare)
    (bare / "latent_density.safetensors").unlink()
    requests = [ImageRequest("", seed) for seed in range(100)]
    drawn = load(bare, options=LoadOptions()).run_batch(requests).results
    assert np.mean(reader.recognized([pixels(result.png) for result in drawn])) < 0.5


def test_a_draw_is_its_seeds_alone_whatever_shares_the_batch(brief_model: AutoencoderModel) -> None:
    model = brief_model
    alone = model.run_batch([ImageRequest("", 5)]).results[0]
    beside = model.run_batch([ImageRequest("", seed) for seed in (1, 5, 9)]).results
    assert pixels(alone.png).astype(int) == pytest.approx(pixels(beside[1].png).astype(int), abs=1)
    assert beside[0].png != beside[1].png


@pytest.mark.quality
def test_encoding_and_decoding_through_the_server(trained: Trained, reader: digits.Reader, tmp_path: Path) -> None:
    sample = {"path": "/v1/images/generations", "body": {"prompt": "", "n": 1}}
    seven = digits.load().images[7]
    with served(trained, tmp_path, task="unconditional-image-generation", sampleRequest=sample) as client:
        drawn = client.images.generate(model="tiny", prompt="", n=2, extra_body={"seed": 3})
        body = {"model": "tiny", "image": base64.b64encode(as_png(seven)).decode()}
        latent = client.post("/images/encodings", body=body, cast_to=object)
        (only,) = latent["data"]
        again = client.post("/images/decodings", body={"model": "tiny", "latent": only["latent"]}, cast_to=object)
    assert all(pixels(base64.b64decode(one.b64_json)).shape == (16, 16) for one in drawn.data)
    back = pixels(base64.b64decode(again["data"][0]["b64_json"]))
    assert reader.read([back]) == [7]
    assert np.mean((back.astype(float) - seven) ** 2) < 0.15 * np.var(seven)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        pytest.param(EncodeRequest(b"not an image"), "not an image file", id="bytes that are no image"),
        pytest.param(EncodeRequest(b""), "not an image file", id="an empty file"),
        pytest.param(DecodeRequest(np.zeros((4, 3, 3), np.float32)), "4 x 4 x 4", id="a latent of another shape"),
        pytest.param(DecodeRequest(np.full((4, 4, 4), np.nan, np.float32)), "NaN", id="a latent of no numbers"),
        pytest.param(ImageRequest("a seven", 1), "reads no prompt", id="a prompt"),
        pytest.param(ImageRequest("", 1, steps=3), "no use for steps", id="denoising steps"),
        pytest.param(ImageRequest("", 1, height=32, width=16), "16x16, not 16x32", id="another size"),
    ],
)
def test_refuses_what_it_cannot_answer(brief_model: AutoencoderModel, request_: object, sentence: str) -> None:
    with pytest.raises(PromptRejectedError, match=sentence):
        brief_model.check(request_)  # type: ignore[arg-type]


def test_the_artifacts_are_diffusers_own_with_samples_and_a_card(brief: Trained) -> None:
    network = AutoencoderKL.from_pretrained(brief.model, use_safetensors=True, local_files_only=True)
    assert 0.1 < network.config.scaling_factor < 10
    assert not list(brief.model.rglob("*.bin"))
    assert {path.name for path in (brief.model / "samples" / "final").iterdir()} == {
        "samples.png",
        "reconstructions.png",
    }
    assert "library_name" in (brief.model / "README.md").read_text()


def colour_checkpoint(directory: Path) -> Path:
    """A checkpoint of the kind that is published, in miniature: attention, quantization layers, RGB."""
    torch.manual_seed(0)
    AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, layers_per_block=2, sample_size=16,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4,
    ).save_pretrained(directory)  # fmt: skip
    return directory


def test_a_published_checkpoint_is_fine_tuned_and_measured_before_and_after(few: Path, tmp_path: Path) -> None:
    base = colour_checkpoint(tmp_path / "base")
    outcome = train(
        tmp_path,
        family="vae",
        model={},
        objective={"kind": "finetune"},
        inputs={"base": str(base)},
        dataset=images_of(few),
        hyperparameters={**LEARNING, "steps": 30},
    )
    comparison = outcome.result.comparison
    assert comparison is not None
    assert comparison.after.metrics["validation_mse"] < comparison.before.metrics["validation_mse"]
    assert load(outcome.model, options=LoadOptions()).run_batch([ImageRequest("", 1)]).results


def test_half_of_the_weights_can_go(few: Path, tmp_path: Path) -> None:
    base = colour_checkpoint(tmp_path / "base")
    outcome = train(
        tmp_path, family="vae", model={}, objective={"kind": "prune", "prune": {"sparsity": 0.5}},
        inputs={"base": str(base)}, dataset=images_of(few), hyperparameters=QUICK,
    )  # fmt: skip
    assert outcome.result.metrics["sparsity"] == pytest.approx(0.5, abs=0.01)


def without(name: str) -> Callable[[Path], None]:
    """A damage: a tensor is missing."""

    def damage(directory: Path) -> None:
        path = directory / "diffusion_pytorch_model.safetensors"
        tensors = load_file(path)
        del tensors[name]
        save_file(tensors, path)

    return damage


def diverged(directory: Path) -> None:
    """A damage: a run that went wrong."""
    path = directory / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["decoder.conv_in.weight"].fill_(float("nan"))
    save_file(tensors, path)


def another_class(directory: Path) -> None:
    """A damage: the network of another family."""
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "UNet2DConditionModel"}))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(shutil.rmtree, "is the model's volume mounted", id="no directory"),
        pytest.param(lambda path: (path / "config.json").unlink(), "has no config.json", id="no configuration"),
        pytest.param(another_class, "describes UNet2DConditionModel", id="another architecture"),
        pytest.param(
            lambda path: (path / "diffusion_pytorch_model.safetensors").unlink(), "no weights", id="no weights"
        ),
        pytest.param(
            lambda path: (path / "diffusion_pytorch_model.safetensors").write_bytes(b"x"), "cannot read", id="damaged"
        ),
        pytest.param(without("decoder.conv_in.weight"), "1 tensors are missing", id="a tensor missing"),
        pytest.param(diverged, "NaN", id="weights that are no numbers"),
    ],
)
def test_broken_artifacts_are_refused(damage: Callable[[Path], None], sentence: str, tmp_path: Path) -> None:
    directory = colour_checkpoint(tmp_path / "model")
    damage(directory)
    with pytest.raises(UnservableError, match=sentence) as raised:
        load(directory, options=LoadOptions())
    assert raised.value.reason is ErrorReason.ARTIFACT_UNREADABLE


def broken_image(folder: Path) -> None:
    """A damage: one file is none."""
    (folder / "00003.png").write_bytes(b"garbage")


def missing_image(folder: Path) -> None:
    """A damage: a file of the list is not there."""
    (folder / "00004.png").unlink()


@pytest.mark.parametrize(
    ("damage", "sizes", "reason", "sentence"),
    [
        pytest.param(broken_image, SMALL, ErrorReason.DATASET_INVALID, "00003.png", id="a broken image"),
        pytest.param(missing_image, SMALL, ErrorReason.DATASET_INVALID, "00004.png", id="a missing image"),
        pytest.param(
            None, {**SMALL, "imageSize": 15}, ErrorReason.INVALID_CONFIGURATION, "cannot be halved", id="an odd size"
        ),
        pytest.param(
            None, {**SMALL, "channels": 2}, ErrorReason.INVALID_CONFIGURATION, "channels is 2", id="two colours"
        ),
        pytest.param(None, None, ErrorReason.INVALID_CONFIGURATION, "needs the sizes", id="no sizes"),
    ],
)
def test_bad_input_is_named(
    few: Path,
    tmp_path: Path,
    damage: Callable[[Path], None] | None,
    sizes: dict[str, object] | None,
    reason: ErrorReason,
    sentence: str,
) -> None:
    folder = Path(shutil.copytree(few, tmp_path / "data"))
    if damage is not None:
        damage(folder)
    with pytest.raises(Exception, match=sentence) as raised:
        train(
            tmp_path,
            family="vae",
            model={} if sizes is None else {"autoencoder": sizes},
            dataset=images_of(folder),
            hyperparameters=QUICK,
        )
    failure: RuntimeFailure = classify(raised.value)
    assert failure.reason is reason
