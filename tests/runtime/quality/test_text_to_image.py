"""Latent diffusion of handwritten digits: whether images show what prompts say, styles, and checkpoints of others."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image, ImageFilter
from runtime.quality import digits
from runtime.quality.encoders import interrupted
from runtime.quality.jobs import Trained, served, train
from runtime.quality.pictures import images_of, pixels
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from hostler_contract import ErrorReason
from hostler_runtime.errors import classify
from hostler_runtime.families.text_to_image.serving import PainterModel, load
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError, UnservableError
from hostler_runtime.protocols.tasks import ImageRequest

TEXT = {"layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 16, "vocabularySize": 400}
SIZES = {
    "autoencoder": {"imageSize": 16, "latentChannels": 4, "blockWidths": [16, 32, 32]},
    "textEncoder": TEXT,
    "blockWidths": [32, 64],
}
SMALL = {
    "autoencoder": {"imageSize": 16, "latentChannels": 2, "blockWidths": [8, 8]},
    "textEncoder": {**TEXT, "layers": 1, "hiddenSize": 16, "heads": 2},
    "blockWidths": [16, 16],
}
QUICK = {"steps": 6, "batchSize": 8, "learningRate": 1e-3}
DRAWN = 100


@pytest.fixture(scope="session")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The one that all figures are of."""
    return train(
        tmp_path_factory.mktemp("painter"),
        family="text-to-image",
        model={"diffusion": SIZES},
        dataset=images_of(folder),
        hyperparameters={"steps": 750, "batchSize": 32, "learningRate": 2e-3, "warmupSteps": 20, "weightDecay": 0.01},
        evaluation={"samples": 16},
    )


@pytest.fixture(scope="session")
def model(trained: Trained) -> PainterModel:
    """As a server loads it."""
    return load(trained.model, options=LoadOptions())


def bold_digits() -> digits.Digits:
    """Every digit with thicker strokes."""
    whole = digits.load()
    thick = [np.asarray(Image.fromarray(image).filter(ImageFilter.MaxFilter(3))) for image in whole.images]
    return digits.Digits(np.stack(thick), whole.labels)


@pytest.fixture(scope="session")
def bold(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A style: a low-rank adapter of the trained model, from bold digits."""
    folder = digits.write_folder(tmp_path_factory.mktemp("bold"), digits=bold_digits())
    return train(
        tmp_path_factory.mktemp("style"),
        family="text-to-image",
        model={},
        objective={"kind": "finetune", "lora": {"rank": 8, "alpha": 16}},
        inputs={"base": str(trained.model)},
        dataset=images_of(folder),
        hyperparameters={"steps": 100, "batchSize": 32, "learningRate": 3e-3, "warmupSteps": 10},
    )


@pytest.fixture(scope="session")
def styled(trained: Trained, bold: Trained) -> PainterModel:
    """A server's model with the style beside it."""
    return load(trained.model, options=LoadOptions(adapters={"bold": bold.model}))


def asked(count: int = DRAWN, **fields: Any) -> list[ImageRequest]:
    """Requests for one digit after the other, each said in another way than the last time."""
    return [
        ImageRequest(digits.CAPTIONS[seed // 10 % 4].format(digits.WORDS[seed % 10]), seed, **fields)
        for seed in range(count)
    ]


def drawn(model: PainterModel, requests: Sequence[ImageRequest]) -> np.ndarray:
    """What the model draws."""
    for request in requests:
        model.check(request)
    return np.stack([pixels(result.png) for result in model.run_batch(requests).results])  # type: ignore[union-attr]


def ink(images: np.ndarray) -> float:
    """Mean brightness: strokes are bright."""
    return float(images.mean())


def test_images_show_the_digit_that_the_prompt_names(model: PainterModel, reader: digits.Reader) -> None:
    images = drawn(model, asked())
    wanted = np.arange(DRAWN) % 10
    read = reader.read(images)
    assert np.mean(read == wanted) >= 0.8
    assert np.mean(read == np.random.default_rng(0).permutation(wanted)) <= 0.25, "the control: the bound has teeth"
    assert np.mean(reader.recognized(images)) >= 0.7


def test_images_of_one_digit_differ_as_real_ones_do(model: PainterModel) -> None:
    images = drawn(model, [ImageRequest("a handwritten three", seed) for seed in range(50)])
    real = digits.load()

    def spread(shown: np.ndarray) -> float:
        return float(np.std(shown.astype(np.float64), axis=0).mean())

    assert spread(images) >= 0.4 * spread(real.images[real.labels == 3])


def test_the_jobs_own_figures_say_so_too(trained: Trained) -> None:
    figures = trained.result.metrics
    assert figures["judge_accuracy"] >= 0.9
    assert figures["caption_agreement"] >= 0.8
    assert figures["caption_agreement_shuffled"] <= 0.25
    assert figures["autoencoder_mse_ratio"] <= 0.5


def test_an_image_is_its_seeds_alone_whatever_shares_the_batch(model: PainterModel) -> None:
    requests = asked(5)
    beside = drawn(model, requests).astype(int)
    for index in (0, 3):
        assert drawn(model, [requests[index]])[0].astype(int) == pytest.approx(beside[index], abs=2)


def test_the_negative_prompt_leads_away(model: PainterModel, reader: digits.Reader) -> None:
    away = [ImageRequest("the digit one", seed, negative_prompt="the digit one", guidance=3.0) for seed in range(40)]
    towards = [ImageRequest("the digit one", seed, guidance=3.0) for seed in range(40)]
    assert np.mean(reader.read(drawn(model, towards)) == 1) >= 0.8
    assert not np.array_equal(drawn(model, towards), drawn(model, away))


def test_requests_share_a_batch_only_where_they_can(model: PainterModel) -> None:
    plain = ImageRequest("one", 1)
    assert model.batch_key(plain) == model.batch_key(ImageRequest("two", 2, negative_prompt="nine"))
    for other in (
        ImageRequest("one", 1, steps=5),
        ImageRequest("one", 1, guidance=1.0),
        ImageRequest("one", 1, height=32, width=32),
    ):
        assert model.batch_key(other) != model.batch_key(plain)
    assert drawn(model, [ImageRequest("one", 1, height=32, width=16, steps=2)]).shape == (1, 32, 16)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param({"prompt": "seven " * 40}, "this model reads 16", id="a prompt that is too long"),
        pytest.param({"negative_prompt": "seven " * 40}, "this model reads 16", id="a negative prompt too long"),
        pytest.param({"height": 17}, "multiples of 8 up to 32", id="a size between two positions"),
        pytest.param({"width": 4096}, "multiples of 8 up to 32", id="a size far beyond the trained one"),
        pytest.param({"steps": 1001}, "1 to 1000 steps", id="more steps than noise has levels"),
        pytest.param({"guidance": 1.0, "negative_prompt": "x"}, "guidance above 1", id="a negative prompt for nothing"),
        pytest.param({"adapter": "bold"}, "no adapter 'bold'; there are: none", id="an adapter that is not there"),
    ],
)
def test_refuses_what_it_cannot_draw(model: PainterModel, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PromptRejectedError, match=sentence):
        model.check(ImageRequest(**{"prompt": "seven", "seed": 1, **fields}))


def test_the_artifacts_are_a_pipeline_that_diffusers_runs(trained: Trained, reader: digits.Reader) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(trained.model, use_safetensors=True, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    prompts = [f"a handwritten {word}" for word in digits.WORDS]
    images = pipeline(
        prompts, num_inference_steps=20, guidance_scale=3.0, output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip
    read = reader.read([(image[:, :, 0] * 255).astype(np.uint8) for image in images])
    assert np.mean(read == np.arange(10)) >= 0.8
    assert not list(trained.model.rglob("*.bin"))


def test_a_style_is_there_with_its_adapter_and_not_without(
    model: PainterModel, styled: PainterModel, reader: digits.Reader
) -> None:
    plain = drawn(model, asked())
    wanted = np.arange(DRAWN) % 10
    with_style = drawn(styled, asked(adapter="bold"))
    # Real bold digits have 1.65 times the ink; the autoencoder, which a style leaves as it is, lets 1.28 through.
    assert ink(with_style) / ink(plain) >= 1.1
    assert np.mean(reader.read(with_style) == wanted) >= 0.6, "the style must not eat the prompt"
    without = drawn(styled, asked())
    assert without.astype(int) == pytest.approx(plain.astype(int), abs=2), "the control: the same server, no adapter"
    half = drawn(styled, asked(adapter="bold", adapter_scale=0.5))
    assert ink(plain) < ink(half) < ink(with_style)


def test_a_styled_model_of_its_own_draws_like_the_adapter(bold: Trained, styled: PainterModel) -> None:
    merged = load(bold.model, options=LoadOptions())
    assert ink(drawn(merged, asked(20))) == pytest.approx(ink(drawn(styled, asked(20, adapter="bold"))), rel=0.02)
    weights = load_file(bold.model / "adapter" / "pytorch_lora_weights.safetensors")
    assert all(name.startswith("unet.") and ".lora_" in name for name in weights)


def test_answers_the_openai_client_in_both_styles(
    trained: Trained, bold: Trained, reader: digits.Reader, tmp_path: Path
) -> None:
    sample = {"path": "/v1/images/generations", "body": {"prompt": "a sample", "n": 1, "steps": 2}}
    with served(
        trained, tmp_path, task="text-to-image", sampleRequest=sample, adapters={"bold": str(bold.model)}
    ) as client:
        found = {}
        for style in (None, "bold"):
            extra = {"seed": 3, "steps": 20, "guidance": 3, **({} if style is None else {"adapter": style})}
            answer = client.images.generate(model="tiny", prompt="the digit four", n=8, size="16x16", extra_body=extra)
            found[style] = np.stack([pixels(base64.b64decode(one.b64_json or "")) for one in answer.data or ()])
    assert np.mean(reader.read(found[None]) == 4) >= 0.75
    assert ink(found["bold"]) > ink(found[None])


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


def published_checkpoint(directory: Path, words: Path) -> Path:
    """Stable Diffusion in miniature: its classes, its scheduler, its tokenizer of words and merges, three colours."""
    torch.manual_seed(0)
    directory.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (words / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (words / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(words / "vocab.json"), str(words / "merges.txt"), model_max_length=24)
    end = tokenizer.eos_token_id
    StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, sample_size=16,
            up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4,
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=24, projection_dim=16, eos_token_id=end,
        )),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8, block_out_channels=(16, 32), layers_per_block=2, cross_attention_dim=16,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=4, norm_num_groups=4,
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=PNDMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True,
            set_alpha_to_one=False, steps_offset=1,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(directory)  # fmt: skip
    return directory


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint of the kind that is published."""
    words = tmp_path / "words"
    words.mkdir()
    return published_checkpoint(tmp_path / "published", words)


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


@pytest.fixture(scope="session")
def uninterrupted(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
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


def test_an_adapter_of_another_model_is_refused(published: Path, bold: Trained) -> None:
    with pytest.raises(UnservableError, match=r"adapter bold: .* another model's") as raised:
        load(published, options=LoadOptions(adapters={"bold": bold.model}))
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
