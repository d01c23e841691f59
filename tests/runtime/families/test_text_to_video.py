"""Clips of digits that move as the prompt says: what a trained model shows, and what it answers."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import openai
import pytest
import torch
from runtime.families import digits, moving_digits
from runtime.families.jobs import Trained, served, train

from hostler_runtime.families.text_to_video import serving
from hostler_runtime.families.text_to_video.serving import TextToVideo, load
from hostler_runtime.protocols.serving import LoadOptions, PromptRejectedError
from hostler_runtime.protocols.tasks import VideoRequest, VideoResult
from hostler_runtime.video.mp4 import decode_video

SIZES = {"imageSize": 16, "channels": 1, "frames": moving_digits.FRAMES, "framesPerSecond": 6, "upscale": 2}
LEARNING = {"batchSize": 8, "learningRate": 2e-3, "warmupSteps": 20, "weightDecay": 0.01}
JUDGED = 32
"""Clips."""
RIGHT_WAY, RIGHT_DIGIT = 0.9, 0.7
"""Shares of them that must be right."""
Prompts = list[tuple[int, str]]


def job(root: Path, *, steps: int, **clips: int) -> Trained:
    """Digits that move, for so many steps."""
    shard = moving_digits.write_shard(root / "clips.tar", **clips)
    return train(
        root,
        family="text-to-video",
        model={"video": SIZES},
        dataset={"source": {"kind": "path", "location": str(shard)}, "format": "webdataset", "validationPercent": 10},
        hyperparameters={**LEARNING, "steps": steps},
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The one that all figures are of."""
    return job(tmp_path_factory.mktemp("video"), steps=1400)


@pytest.fixture(scope="session")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One that is there to be served, and no more."""
    return job(tmp_path_factory.mktemp("brief-video"), steps=30, count=48)


@pytest.fixture(scope="session")
def model(trained: Trained) -> TextToVideo:
    """As a server loads it."""
    return load(trained.model, options=LoadOptions())


@pytest.fixture(scope="session")
def brief_model(brief: Trained) -> TextToVideo:
    """The other, as a server loads it."""
    return load(brief.model, options=LoadOptions())


@pytest.fixture(scope="session")
def reader() -> digits.Reader:
    """The judge of digits."""
    return digits.Reader()


@pytest.fixture(scope="session")
def prompts() -> Prompts:
    """Digits and directions, each digit three times and each direction eight."""
    chosen = np.random.default_rng(5).permutation(len(moving_digits.PROMPTS))[:JUDGED]
    return [moving_digits.PROMPTS[index] for index in chosen]


@pytest.fixture(scope="session")
def films(model: TextToVideo, prompts: Prompts) -> list[VideoResult]:
    """A clip for each prompt, asked for in batches."""
    return filmed(model, [moving_digits.caption(*prompt) for prompt in prompts])


def filmed(model: TextToVideo, texts: list[str]) -> list[VideoResult]:
    """A clip for each text."""
    requests = [VideoRequest(text, seed=1000 + index) for index, text in enumerate(texts)]
    results: list[VideoResult] = []
    for start in range(0, len(requests), 8):
        results += model.run_batch(requests[start : start + 8]).results  # type: ignore[arg-type]
    return results


def frames_of(film: VideoResult) -> np.ndarray:
    """What the file shows."""
    return decode_video(io.BytesIO(film.mp4))[0]


def shares(films: list[VideoResult], prompts: Prompts, reader: digits.Reader) -> tuple[float, float]:
    """How many move as they should, and how many show the digit that they should."""
    shown = [frames_of(film) for film in films]
    ways = [moving_digits.direction_of(frames) == way for frames, (_, way) in zip(shown, prompts, strict=True)]
    read = reader.read([moving_digits.still_of(frames) for frames in shown])
    return float(np.mean(ways)), float(np.mean(read == [label for label, _ in prompts]))


@pytest.mark.quality
def test_the_judges_read_real_clips(reader: digits.Reader) -> None:
    images, labels = digits.load(size=16).images[1:400:2], digits.load().labels[1:400:2]
    ways = [list(moving_digits.DIRECTIONS)[index % 4] for index in range(len(images))]
    clips = [moving_digits.clip(image, way) for image, way in zip(images, ways, strict=True)]
    assert [moving_digits.direction_of(clip) for clip in clips] == ways
    assert np.mean(reader.read([moving_digits.still_of(clip) for clip in clips]) == labels) >= 0.95


@pytest.mark.quality
def test_clips_move_and_show_what_the_prompt_says(
    films: list[VideoResult], prompts: Prompts, reader: digits.Reader
) -> None:
    ways, shown = shares(films, prompts, reader)
    assert ways >= RIGHT_WAY
    assert shown >= RIGHT_DIGIT


@pytest.mark.quality
def test_the_clips_of_other_prompts_do_not(films: list[VideoResult], prompts: Prompts, reader: digits.Reader) -> None:
    shuffled = [prompts[index] for index in np.random.default_rng(7).permutation(len(prompts))]
    ways, shown = shares(films, shuffled, reader)
    assert ways < RIGHT_WAY / 2
    assert shown < RIGHT_DIGIT / 2


@pytest.mark.quality
def test_clips_of_no_prompt_do_not(model: TextToVideo, prompts: Prompts, reader: digits.Reader) -> None:
    ways, shown = shares(filmed(model, [""] * JUDGED), prompts, reader)
    assert ways < RIGHT_WAY / 2
    assert shown < RIGHT_DIGIT / 2


@pytest.mark.quality
def test_the_job_reports_what_a_gate_can_ask_for(trained: Trained) -> None:
    metrics = trained.result.metrics
    assert metrics["judge_accuracy"] >= 0.8
    assert metrics["caption_agreement"] >= 0.7
    assert metrics["caption_agreement_chance"] == pytest.approx(1 / 40)
    assert metrics["upscale_mse"] < 0.5 * metrics["bicubic_mse"]
    assert trained.result.dataset is not None
    assert trained.result.dataset.rows == 1797


@pytest.mark.quality
def test_the_agreement_that_is_reported_falls_without_the_prompt(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hostler_runtime.families.text_to_video import measures, training
    from hostler_runtime.protocols.training import Evaluation

    (prepared,) = (Path(trained.job.workspace) / "cache").glob("prepared-*")
    dataset = training.open_dataset(trained.job, prepared)
    again, _ = training.artifacts.load_model(trained.model)
    around = Evaluation(torch.device("cpu"), batch_size=8, seed=0, mean_loss=lambda update: 0.0)
    made = measures.made
    monkeypatch.setattr(
        measures,
        "made",
        lambda model, dataset, tokens, *, seeds: made(model, dataset, dataset.empty.expand_as(tokens), seeds=seeds),
    )
    assert measures.figures(again, dataset, around)["caption_agreement"] < 0.3


def test_an_answer_is_an_mp4_file_of_the_promised_length_size_and_speed(brief_model: TextToVideo) -> None:
    (film,) = filmed(brief_model, ["a seven moving left"])
    with av.open(io.BytesIO(film.mp4)) as container:
        stream = container.streams.video[0]
        assert (container.format.name.split(",")[1], stream.codec_context.name) == ("mp4", "h264")
        assert (stream.width, stream.height, stream.average_rate) == (32, 32, 6)
        assert sum(1 for _ in container.decode(stream)) == 6
    assert (film.frames, film.frames_per_second, film.height, film.width) == (6, 6, 32, 32)
    assert (film.work.video_seconds, film.work.denoise_steps) == (1.0, 20)


def test_a_clip_is_its_seed_and_prompt_alone_whatever_shares_the_batch(
    brief_model: TextToVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = brief_model
    requests = [VideoRequest(text, seed) for text, seed in (("a one moving up", 1), ("a two moving left", 2), ("", 3))]
    (film,) = model.run_batch(requests[:1]).results
    assert model.run_batch(requests[:1]).results == (film,)
    # Looked at before they are compressed, where a rounding error shows as what it is.
    shown: list[np.ndarray] = []
    monkeypatch.setattr(serving, "encode_mp4", lambda frames, **_: shown.append(frames.astype(int)) or b"")
    model.run_batch(requests)
    for request in requests:
        model.run_batch([request])
    beside, alone = shown[:3], shown[3:]
    assert max(np.abs(one - other).max() for one, other in zip(beside, alone, strict=True)) <= 1
    model.run_batch([VideoRequest("a one moving up", 9)])
    assert np.abs(shown[-1] - alone[0]).max() > 30


def test_what_a_request_asks_for_is_what_is_done(brief_model: TextToVideo) -> None:
    model = brief_model
    short = VideoRequest("a seven moving left", 1, seconds=0.5, steps=4, guidance=1.0)
    report = model.run_batch([short])
    (film,) = report.results
    assert isinstance(film, VideoResult)
    assert (film.frames, len(frames_of(film)), film.work.denoise_steps) == (3, 3, 4)
    assert {"encode", "denoise", "decode", "upscale", "mp4"} == set(report.phases)
    keys = [model.batch_key(VideoRequest("a", 1, **{field: value})) for field, value in (("steps", 4), ("guidance", 1))]
    assert len({*keys, model.batch_key(VideoRequest("a", 1)), model.batch_key(short)}) == 4
    assert model.batch_key(VideoRequest("a", 1)) == model.batch_key(VideoRequest("b", 2, seconds=1.0, height=32))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param({"prompt": "seven " * 40}, "reads at most 16", id="a prompt that is too long"),
        pytest.param({"negative_prompt": "seven " * 40}, "reads at most 16", id="a long negative prompt"),
        pytest.param({"seconds": 2.0}, "up to 6 frames", id="more frames than it was trained on"),
        pytest.param({"seconds": 0.4}, "up to 6 frames", id="a fraction of a frame"),
        pytest.param({"height": 64, "width": 64}, "clips of 32x32", id="another size"),
        pytest.param({"steps": 0}, "steps is 0", id="no steps"),
        pytest.param({"steps": 1001}, "steps is 1001", id="more steps than there are"),
        pytest.param({"guidance": -1.0}, "guidance is -1", id="guidance away from the prompt"),
    ],
)
def test_refuses_what_it_cannot_make(brief_model: TextToVideo, fields: dict[str, object], sentence: str) -> None:
    request = VideoRequest(**{"prompt": "a seven", "seed": 1, **fields})  # type: ignore[arg-type]
    with pytest.raises(PromptRejectedError, match=sentence) as refused:
        brief_model.check(request)
    (field, *_) = fields
    assert refused.value.param == ("size" if field == "height" else field), "the field to blame, not the prompt"


@pytest.mark.quality
def test_the_openai_client_gets_a_clip(trained: Trained, reader: digits.Reader, tmp_path: Path) -> None:
    sample = {"path": "/v1/videos", "body": {"prompt": "a sample", "steps": 2, "wait": True}, "expect": "completed_at"}
    with served(trained, tmp_path, task="text-to-video", sampleRequest=sample) as client:
        video = client.videos.create(
            model="tiny", prompt="a zero moving down", size="32x32", extra_body={"wait": True, "seed": 4}
        )
        content = client.videos.download_content(video.id).read()
        with pytest.raises(openai.BadRequestError, match="clips of 32x32"):
            client.videos.create(model="tiny", prompt="a zero", size="64x64")
    frames, rate = decode_video(io.BytesIO(content))
    assert (video.status, frames.shape, rate) == ("completed", (6, 32, 32, 3), 6.0)
    assert moving_digits.direction_of(frames) == "down"


def test_the_model_keeps_samples_and_a_card(brief: Trained) -> None:
    films = sorted((brief.model / "samples" / "final").iterdir())
    assert len(films) == 4
    assert all(decode_video(film)[0].shape == (6, 32, 32, 3) for film in films)
    assert "text-to-video" in (brief.model / "README.md").read_text()
    assert not [path for path in brief.model.rglob("*") if path.suffix in {".bin", ".pt", ".pkl"}]
