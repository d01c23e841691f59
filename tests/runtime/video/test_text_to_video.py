"""Text-to-video beside its quality: bases and parts of other origin, exact resume, what is refused."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel
from runtime.families import moving_digits
from runtime.families.jobs import Trained, train
from runtime.training.toyjobs import run_in_processes
from runtime.weights import assert_same_training
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.families.text_to_video.serving import load
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.protocols.tasks import VideoRequest
from hostler_runtime.text.captions import train_tokenizer
from hostler_runtime.training.assembled import Surroundings
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.run import run

SIZES: dict[str, Any] = {
    "imageSize": 16, "frames": 4, "framesPerSecond": 6, "latentChannels": 2, "autoencoderWidths": [8, 8],
    "blockWidths": [8, 16], "textEncoder": {"layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": 16},
}  # fmt: skip
QUICK = {"steps": 10, "batchSize": 4, "learningRate": 1e-3}


@pytest.fixture(scope="session")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty clips."""
    return moving_digits.write_shard(tmp_path_factory.mktemp("clips") / "clips.tar", count=40)


def clips_of(shard: Path) -> dict[str, Any]:
    """A dataset block."""
    return {"source": {"kind": "path", "location": str(shard)}, "format": "webdataset", "validationPercent": 10}


def quick(root: Path, shard: Path, **fields: Any) -> Trained:
    """A job of seconds."""
    return train(
        root,
        **{
            "family": "text-to-video",
            "model": {"video": SIZES},
            "dataset": clips_of(shard),
            "hyperparameters": QUICK,
            "evaluation": {"samples": 1},
            **fields,
        },
    )


@pytest.fixture(scope="session")
def small(shard: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model that has learned nothing, but is whole."""
    return quick(tmp_path_factory.mktemp("small"), shard)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the kind that is published, in miniature: RGB, an autoencoder with attention, noise as target."""
    directory = tmp_path_factory.mktemp("published") / "model"
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a seven moving left"], vocabulary_size=300, context_length=12)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=12, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    parts = {
        "vae": AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, sample_size=16,
            up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4,
        ),
        "text_encoder": CLIPTextModel(text),
        "tokenizer": tokenizer,
        "unet": UNet3DConditionModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=16,
            attention_head_dim=4, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        ),
        "scheduler": DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1),
    }  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(directory / name)
    kinds = {
        "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", type(tokenizer).__name__], "unet": ["diffusers", "UNet3DConditionModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }  # fmt: skip
    (directory / "model_index.json").write_text(json.dumps({"_class_name": "TextToVideoSDPipeline", **kinds}))
    return directory


def test_a_published_checkpoint_is_served(published: Path) -> None:
    model = load(published, options=LoadOptions())
    request = VideoRequest("a seven", 1, seconds=0.5, steps=2, height=16, width=8)
    model.check(request)
    (film,) = model.run_batch([request]).results
    assert (film.frames, film.height, film.width) == (4, 16, 8)  # type: ignore[union-attr]
    with pytest.raises(PromptRejectedError, match="in multiples of 4"):
        model.check(VideoRequest("a seven", 1, height=18, width=8))


def test_a_published_checkpoint_is_fine_tuned_and_stays_one_that_diffusers_reads(
    published: Path, shard: Path, tmp_path: Path
) -> None:
    sizes = {"imageSize": 16, "channels": 3, "frames": 4, "framesPerSecond": 6, "upscale": 1}
    tuned = quick(
        tmp_path, shard, model={"video": sizes}, objective={"kind": "finetune"}, inputs={"base": str(published)}
    )
    before, after = (load_file(next((path / "unet").glob("*.safetensors"))) for path in (published, tuned.model))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    frozen = [load_file(path / "text_encoder" / "model.safetensors") for path in (published, tuned.model)]
    assert all(torch.equal(frozen[0][name], frozen[1][name]) for name in frozen[0])
    pipeline = TextToVideoSDPipeline.from_pretrained(tuned.model, local_files_only=True)
    film = pipeline("a seven", num_frames=4, num_inference_steps=2, output_type="np").frames
    assert film.shape == (1, 4, 16, 16, 3)
    assert tuned.result.comparison is not None
    assert not (tuned.model / "judge").exists(), "nobody taught one"
    assert "caption_agreement" not in tuned.result.metrics, "and without one nothing can be said of captions"


def test_an_adapter_changes_the_denoiser_alone(small: Trained, shard: Path, tmp_path: Path) -> None:
    tuned = quick(
        tmp_path,
        shard,
        model={},
        objective={"kind": "finetune", "lora": {"rank": 2}},
        inputs={"base": str(small.model)},
    )
    changed = {
        part
        for part in ("vae", "text_encoder", "unet", "super_resolution", "judge")
        for name, tensor in load_file(next((small.model / part).glob("*.safetensors"))).items()
        if not torch.equal(tensor, load_file(next((tuned.model / part).glob("*.safetensors")))[name])
    }
    assert changed == {"unet"}
    assert (tuned.model / "adapter" / "adapter_model.safetensors").is_file()
    served = load(tuned.model, options=LoadOptions())
    assert served.run_batch([VideoRequest("a one", 1)]).results, "what was learned is merged: no adapter is named"


def test_half_of_the_weights_can_go(small: Trained, shard: Path, tmp_path: Path) -> None:
    pruned = quick(
        tmp_path, shard, model={}, objective={"kind": "prune", "prune": {"sparsity": 0.5}},
        inputs={"base": str(small.model)},
    )  # fmt: skip
    assert pruned.result.metrics["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert load(pruned.model, options=LoadOptions()).run_batch([VideoRequest("a one", 1)]).results


def test_parts_of_another_model_are_taken_as_they_are(small: Trained, shard: Path, tmp_path: Path) -> None:
    parts = {"autoencoder": str(small.model), "text_encoder": str(small.model)}
    made = quick(tmp_path, shard, inputs={"parts": parts})
    for part in ("vae", "text_encoder"):
        ours, theirs = (load_file(next((path / part).glob("*.safetensors"))) for path in (made.model, small.model))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (made.model / "tokenizer" / "tokenizer.json").read_bytes() == (
        small.model / "tokenizer" / "tokenizer.json"
    ).read_bytes()


@pytest.mark.parametrize(
    "stop_after",
    [
        pytest.param(1, id="while the autoencoder learns"),
        pytest.param(2, id="between two stages"),
        pytest.param(9, id="while the denoiser learns"),
    ],
)
def test_a_resumed_run_ends_like_an_uninterrupted_one(
    stop_after: int, small: Trained, shard: Path, tmp_path: Path
) -> None:
    document = json.loads(small.job.to_json()) | {"workspace": str(tmp_path / "workspace")}
    job = JobConfig.model_validate(document)
    Path(job.workspace).mkdir()
    with joined({}) as alone:
        board = ProgressBoard(job, world_size=1)

        def go(stop: Callable[[], bool]) -> None:
            run(job, Surroundings(alone, board, stop, Path(job.workspace)))

        with pytest.raises(RuntimeFailure, match=f"after step {stop_after} of 10"):
            go(lambda: board.snapshot.step >= stop_after)
        board = ProgressBoard(job, world_size=1)
        go(lambda: False)
    assert board.snapshot.resumed_from_step == stop_after
    for file in sorted(small.model.rglob("*.safetensors")):
        ours = load_file(Path(job.workspace) / "model" / file.relative_to(small.model))
        assert all(torch.equal(ours[name], tensor) for name, tensor in load_file(file).items()), file.parent.name


def in_two_processes(like: Trained, root: Path, *, parallelism: str) -> dict[str, torch.Tensor]:
    """What comes out of two processes: all weights, by part and name."""
    workspace = root / "workspace"
    document = json.loads(like.job.to_json()) | {"workspace": str(workspace)}
    document["topology"] = {"pods": 1, "processesPerPod": 2}
    document["hyperparameters"]["parallelism"] = parallelism
    workspace.mkdir(parents=True)
    result = run_in_processes(JobConfig.model_validate(document), count=2)
    assert result.metrics.keys() == like.result.metrics.keys()
    return weights_of(workspace / "model")


def weights_of(model: Path) -> dict[str, torch.Tensor]:
    """All tensors of a model directory."""
    return {
        f"{file.parent.name}.{name}": tensor
        for file in sorted(model.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def test_two_processes_learn_the_same_with_halves_of_every_weight_as_with_whole_ones(
    small: Trained, tmp_path: Path
) -> None:
    """Whole ones, joined by DDP, are the reference: every process draws the same noise for its rows either way."""
    halves = in_two_processes(small, tmp_path / "sharded", parallelism="sharded")
    whole = in_two_processes(small, tmp_path / "replicated", parallelism="replicated")

    alone = weights_of(small.model)
    # The control: one process draws other noise for the same rows, and ends elsewhere. So would processes that do not
    # reduce their gradients as they should: each would learn from the noise of its own rows.
    assert_same_training(halves, whole, control=alone)
    served = load(tmp_path / "sharded" / "workspace" / "model", options=LoadOptions())
    assert served.run_batch([VideoRequest("a one", 1)]).results


def another_index(directory: Path) -> None:
    """A damage: a pipeline of another family."""
    (directory / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))


def another_network(directory: Path) -> None:
    """A damage: a denoiser of images."""
    path = directory / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "UNet2DConditionModel"}))


def another_width(directory: Path) -> None:
    """A damage: a denoiser for another text encoder."""
    path = directory / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cross_attention_dim": 24}))


def diverged(directory: Path) -> None:
    """A damage: a run that went wrong."""
    path = next((directory / "unet").glob("*.safetensors"))
    tensors = load_file(path)
    tensors["outward.weight"].fill_(float("nan"))
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(shutil.rmtree, "is the model's volume mounted", id="no directory"),
        pytest.param(lambda path: (path / "model_index.json").unlink(), "has no model_index.json", id="no index"),
        pytest.param(another_index, "StableDiffusionPipeline is not a text-to-video model", id="another family"),
        pytest.param(another_network, "UNet2DConditionModel is not a 3-D U-Net", id="another network"),
        pytest.param(
            another_width, "unet are not of the architecture.*have another shape", id="weights of another width"
        ),
        pytest.param(lambda path: shutil.rmtree(path / "vae"), "no directory .*vae", id="no autoencoder"),
        pytest.param(lambda path: shutil.rmtree(path / "scheduler"), "no directory .*scheduler", id="no scheduler"),
        pytest.param(
            lambda path: next((path / "super_resolution").glob("*.safetensors")).unlink(),
            "has no weights",
            id="no weights of the super-resolution stage",
        ),
        pytest.param(
            lambda path: next((path / "unet").glob("*.safetensors")).write_bytes(b"x"), "cannot read", id="damaged"
        ),
        pytest.param(diverged, "NaN", id="weights that are no numbers"),
    ],
)
def test_broken_artifacts_are_refused(
    damage: Callable[[Path], None], sentence: str, small: Trained, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(small.model, tmp_path / "model"))
    damage(directory)
    with pytest.raises(UnservableError, match=sentence) as raised:
        load(directory, options=LoadOptions())
    assert raised.value.reason is ErrorReason.ARTIFACT_UNREADABLE


def test_adapters_are_refused(small: Trained, tmp_path: Path) -> None:
    with pytest.raises(UnservableError, match="serves no adapters"):
        load(small.model, options=LoadOptions(adapters={"style": tmp_path}))


def spoiled(shard: Path, target: Path, *, name: str, content: bytes | None) -> Path:
    """The shard with another content of one member, or without it."""
    with tarfile.open(shard) as source, tarfile.open(target, "w") as copy:
        for member in source:
            data = source.extractfile(member)
            assert data is not None
            if member.name == name:
                if content is None:
                    continue
                (target.parent / "member").write_bytes(content)
                copy.add(target.parent / "member", arcname=name)
            else:
                copy.addfile(member, data)
    return target


@pytest.mark.parametrize(
    ("member", "content", "sizes", "reason", "sentence"),
    [
        pytest.param(
            "00003.mp4", b"garbage", {}, ErrorReason.DATASET_INVALID, "clips.tar:4: video cannot be decoded",
            id="a broken video",
        ),
        pytest.param(
            "00004.txt", None, {}, ErrorReason.DATASET_INVALID, "clips.tar:5: there is no caption", id="no caption"
        ),
        pytest.param(
            "", None, {"frames": 7}, ErrorReason.DATASET_INVALID, "clips.tar:1: the clip has 6 frames", id="short clips"
        ),
        pytest.param(
            "", None, {"blockWidths": [8, 12]}, ErrorReason.INVALID_CONFIGURATION, "multiples of 8", id="odd widths"
        ),
        pytest.param(
            "", None, {"blockWidths": [8, 8, 8, 8, 8]}, ErrorReason.INVALID_CONFIGURATION, "not a multiple of 32",
            id="halved too often",
        ),
        pytest.param("", None, None, ErrorReason.INVALID_CONFIGURATION, "needs the sizes", id="no sizes"),
    ],
)  # fmt: skip
def test_bad_input_is_named(
    member: str, content: bytes | None, sizes: dict[str, Any] | None, reason: ErrorReason, sentence: str,
    shard: Path, tmp_path: Path,
) -> None:  # fmt: skip
    data = spoiled(shard, tmp_path / "clips.tar", name=member, content=content)
    model = {} if sizes is None else {"video": {**SIZES, **sizes}}
    with pytest.raises(Exception, match=sentence) as raised:
        quick(tmp_path, data, model=model)
    assert classify(raised.value).reason is reason


@pytest.mark.parametrize(
    ("sizes", "inputs", "reason", "sentence"),
    [
        pytest.param({"imageSize": 32}, {}, ErrorReason.INVALID_CONFIGURATION, "says size 32", id="another size"),
        pytest.param({"upscale": 1}, {}, ErrorReason.INVALID_CONFIGURATION, "says upscale 1", id="another factor"),
        pytest.param({}, {"base": "/nowhere"}, ErrorReason.ARTIFACT_UNREADABLE, "base model", id="no base"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(
    sizes: dict[str, Any], inputs: dict[str, Any], reason: ErrorReason, sentence: str, small: Trained, shard: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(RuntimeFailure, match=sentence) as raised:
        quick(
            tmp_path, shard, model={"video": {**SIZES, **sizes}}, objective={"kind": "finetune"},
            inputs={"base": str(small.model), **inputs},
        )  # fmt: skip
    assert raised.value.reason is reason
