"""Preparation in shards: the same data by whatever way, nothing done twice after a crash, shared on a volume."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import threading
import wave
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from runtime.families.encoders import encoder_job
from runtime.training.harness import REFERENCE_TEXT, JobFactory, Train, make_job

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.preparing import PreparationReport
from hostler_contract.progress import Stage
from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_data.records import open_records
from hostler_runtime import prepare
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families import training_half
from hostler_runtime.protocols.preparing import Inline, Made
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.preparing import step
from hostler_runtime.training.preparing.place import LeaseLostError, Place, release
from hostler_runtime.training.preparing.shards import read_shard, write_shard
from hostler_runtime.training.preparing.work import KeptWork
from hostler_runtime.training.progress import ProgressBoard

SIZE = 2000
"""Bytes of a chunk, so that little data has several."""


def rows(count: int) -> Iterator[Record]:
    """Each is a chunk of its own."""
    return (Record("rows.jsonl", number, {"text": "x" * SIZE}) for number in range(1, count + 1))


def numbers(chunk: Sequence[Record], number: int) -> Iterator[Made]:
    """What the rows of these tests become."""
    return (Made({"row": np.array([record.row])}, record.file) for record in chunk)


def seen(made: Iterator[Made]) -> list[int]:
    """The rows that came out."""
    return [int(each.arrays["row"][0]) for each in made]


def test_a_shard_holds_what_was_put_into_it(tmp_path: Path) -> None:
    made = [
        Made({"a": np.array([1, 2], np.uint32), "b": np.array([True])}, {"why": "ä"}),
        Made({"a": np.array([], np.uint32), "b": np.array([False, True])}, None),
    ]
    write_shard(tmp_path / "shard.npz", made)
    found = read_shard(tmp_path / "shard.npz")

    assert found is not None
    assert [each.facts for each in found] == [{"why": "ä"}, None]
    for want, got in zip(made, found, strict=True):
        for name, values in want.arrays.items():
            assert got.arrays[name].dtype == values.dtype
            assert got.arrays[name].tolist() == values.tolist()
    assert os.listdir(tmp_path) == ["shard.npz"]


@pytest.mark.parametrize("processes", [1, 2])
def test_rows_come_out_in_their_order_and_are_made_once(tmp_path: Path, processes: int) -> None:
    work = KeptWork(tmp_path, processes=processes, size=SIZE)
    assert seen(work.each("train", rows(9), numbers)) == list(range(1, 10))

    def again(chunk: Sequence[Record], number: int) -> Iterator[Made]:
        pytest.fail("a shard that is there was made again")

    assert seen(work.each("train", rows(9), again)) == list(range(1, 10))


def test_what_a_disk_has_lost_of_a_shard_is_made_again(tmp_path: Path) -> None:
    work = KeptWork(tmp_path, size=SIZE)
    list(work.each("train", rows(3), numbers))
    shard = tmp_path / "train" / "000001.npz"
    shard.write_bytes(shard.read_bytes()[:100])

    assert seen(work.each("train", rows(3), numbers)) == [1, 2, 3]
    assert read_shard(shard) is not None


def test_a_process_that_is_killed_between_shards_leaves_what_it_has_finished(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def noted(chunk: Sequence[Record], number: int, *, last: int | None = None) -> Iterator[Made]:
        with log.open("a") as stream:
            stream.write(f"{number} ")
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return numbers(chunk, number)

    def first() -> None:
        list(KeptWork(tmp_path / "work", size=SIZE).each("train", rows(6), lambda *of: noted(*of, last=3)))

    child = multiprocessing.get_context("fork").Process(target=first)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert log.read_text() == "0 1 2 3 "

    log.write_text("")
    assert seen(KeptWork(tmp_path / "work", size=SIZE).each("train", rows(6), noted)) == [1, 2, 3, 4, 5, 6]
    assert log.read_text() == "3 4 5 "


def test_a_member_of_the_crew_that_the_kernel_kills_is_told_of(tmp_path: Path) -> None:
    def killed(chunk: Sequence[Record], number: int) -> Iterator[Made]:
        os.kill(os.getpid(), signal.SIGKILL)
        return numbers(chunk, number)

    with pytest.raises(RuntimeFailure, match="memory limit: give it more memory, or fewer cores") as caught:
        list(KeptWork(tmp_path, processes=2, size=SIZE).each("train", rows(4), killed))
    assert caught.value.reason is ErrorReason.OUT_OF_MEMORY


@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_row_that_is_wrong_is_the_one_that_is_named(tmp_path: Path, processes: int) -> None:
    """Although a later one, which nobody can read, is met before the crew has come to it."""

    def unreadable() -> Iterator[Record]:
        yield from rows(4)
        raise DataError(file="rows.jsonl", row=5, message="is no JSON")

    def strict(chunk: Sequence[Record], number: int) -> Iterator[Made]:
        for record in chunk:
            if record.row == 3:
                raise record.error("is wrong")
            yield from numbers([record], number)

    work = KeptWork(tmp_path, processes=processes, size=SIZE)
    with pytest.raises(DataError, match=r"rows\.jsonl:3: is wrong"):
        list(work.each("train", unreadable(), strict))
    with pytest.raises(DataError, match=r"rows\.jsonl:5: is no JSON"):
        list(work.each("other", unreadable(), numbers))


def jsonl(root: Path, made: Sequence[dict[str, Any]]) -> tuple[Path, str]:
    """Rows in a file."""
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    return root / "rows.jsonl", "jsonl"


def parts(count: int) -> list[str]:
    """Paragraphs of real text."""
    return [REFERENCE_TEXT[start : start + 900] for start in range(0, 900 * count, 900)]


def talks(root: Path) -> tuple[Path, str]:
    """Conversations, some of them too long."""
    return jsonl(
        root,
        [
            {"messages": [{"role": "user", "content": text[:20]}, {"role": "assistant", "content": text[20:size]}]}
            for text, size in zip(parts(16), itertools.cycle([40, 400]), strict=False)
        ],
    )


def documents(root: Path) -> tuple[Path, str]:
    """Rows of plain text."""
    return jsonl(root, [{"text": text} for text in parts(16)])


def labelled(root: Path) -> tuple[Path, str]:
    """Texts of two classes."""
    return jsonl(root, [{"text": text, "label": index % 2} for index, text in enumerate(parts(16))])


def questions(root: Path) -> tuple[Path, str]:
    """Questions with answers in their contexts."""
    return jsonl(root, [{"question": text[:30], "context": text[:300], "answer": text[100:110]} for text in parts(12)])


def pictures(root: Path) -> tuple[Path, str]:
    """Images in a folder for each label."""
    for index in range(8):
        folder = root / "images" / f"class-{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12), (index * 20, 0, 255 - index)).save(folder / f"{index}.png")
    return root / "images", "images"


def recordings(root: Path) -> tuple[Path, str]:
    """Tones with a text."""
    folder = root / "audio"
    folder.mkdir()
    lines = []
    for index in range(8):
        tone = np.sin(np.arange(4000) * (0.05 + index / 50)) * 9000
        with wave.open(str(folder / f"{index}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(tone.astype("<i2").tobytes())
        lines.append(json.dumps({"file_name": f"{index}.wav", "text": f"tone {index}"}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    return folder, "audio"


def decoder(family: str) -> Callable[[Path, Path, str], JobConfig]:
    """A job of a decoder's family."""
    return lambda root, data, format: make_job(root / "workspace", data=data, family=family, dataset__format=format)


def encoder(head: str) -> Callable[[Path, Path, str], JobConfig]:
    """A job of an encoder."""
    sizes = {"head": head, "contextLength": 32, "vocabularySize": 300}
    return lambda root, data, format: encoder_job(root / "workspace", data=data, encoder=sizes)


def gan(root: Path, data: Path, format: str) -> JobConfig:
    """A job on images."""
    model = {"gan": {"imageSize": 8, "channels": 3, "latentSize": 8, "baseChannels": 8}}
    return make_job(root / "workspace", data=data, family="gan", model=model, dataset__format=format)


def speech(root: Path, data: Path, format: str) -> JobConfig:
    """A job on recordings."""
    model = {"speech": {
        "architecture": "conformer", "encoderLayers": 1, "hiddenSize": 16, "heads": 2, "vocabularySize": 300,
        "maxSeconds": 2,
    }}  # fmt: skip
    return make_job(root / "workspace", data=data, family="speech-to-text", model=model, dataset__format=format)


FAMILIES = {
    "chat on documents": (decoder("chat"), documents),
    "chat on conversations": (decoder("chat"), talks),
    "code": (decoder("code"), documents),
    "bert on text": (encoder("masked-lm"), documents),
    "bert on labels": (encoder("classification"), labelled),
    "bert on questions": (encoder("question-answering"), questions),
    "images": (gan, pictures),
    "recordings": (speech, recordings),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_one_process_several_and_a_second_try_prepare_the_same_bytes(tmp_path: Path, name: str) -> None:
    make, data = FAMILIES[name]
    path, format = data(tmp_path)
    job = make(tmp_path, path, format)
    half = training_half(job.family)
    records = open_records(sorted(path.rglob("*.*")) if path.is_dir() else [path], root=path, format=format)  # type: ignore[arg-type]

    ways = {
        "inline": Inline(SIZE),
        "two processes": KeptWork(tmp_path / "shards", processes=2, size=SIZE),
        "from the shards": KeptWork(tmp_path / "shards", processes=1, size=SIZE),
    }
    found = {}
    for way, work in ways.items():
        (tmp_path / way).mkdir()
        half.prepare(job, records, tmp_path / way, work=work)
        files = (file for file in sorted((tmp_path / way).rglob("*")) if file.is_file())
        # The library notes in its file how a tokenizer came about, and nobody reads that.
        found[way] = {
            file.relative_to(tmp_path / way).as_posix(): file.read_bytes()
            for file in files
            if file.name not in ("tokenizer_config.json", "special_tokens_map.json")
        }

    assert found["two processes"] == found["inline"]
    assert found["from the shards"] == found["inline"]
    assert any((tmp_path / "shards").glob("*/000001.npz")) or name in ("images", "recordings")


def asked(job: JobConfig, root: Path) -> dict[str, str]:
    """The environment of a preparation."""
    config = root / f"{job.name}.json"
    config.write_text(job.to_json())
    return {
        "HOSTLER_JOB_CONFIG": str(config),
        "HOSTLER_VOLUME_ROOT": str(root),
        "HOSTLER_TERMINATION_LOG": str(root / f"{job.name}.message"),
        "HOSTLER_PORT": "0",
    }


def prepared(job: JobConfig, root: Path) -> PreparationReport:
    """What a preparation reports."""
    prepare.main(asked(job, root))
    return PreparationReport.from_json((root / f"{job.name}.message").read_bytes())


def test_jobs_of_a_volume_with_the_same_data_and_settings_share_what_one_of_them_prepared(tmp_path: Path) -> None:
    first = make_job(tmp_path / "first", name="first")
    second = make_job(tmp_path / "second", name="second", hyperparameters__learningRate=1e-2)
    other = make_job(tmp_path / "other", name="other", model__transformer__contextLength=16)

    reports = [prepared(job, tmp_path) for job in (first, second, other)]

    assert [report.found for report in reports] == [False, True, False]
    assert reports[0].key == reports[1].key != reports[2].key
    assert reports[0].size_bytes > 0
    # As long as one of them needs it, it stays.
    shared = tmp_path / ".shared"
    directory = shared / f"prepared-{reports[0].key}"
    assert release(shared, "first") == 0
    assert directory.exists()
    assert release(shared, "second") > 0
    assert not directory.exists()
    assert (shared / f"prepared-{reports[2].key}").exists()


def test_a_trainer_starts_on_prepared_data_without_looking_at_the_data_again(job: JobFactory, train: Train) -> None:
    wanted = job()
    report = prepared(wanted, Path(wanted.workspace))
    Path(wanted.dataset.source.location, "reference.txt").unlink()

    outcome = train(wanted.model_copy(update={"prepared": report.key}))

    assert outcome.result.succeeded
    assert outcome.result.dataset is not None
    assert outcome.result.dataset.sha256 == report.sha256


@pytest.mark.parametrize("change", ["gone", "other settings", "another version"])
def test_a_trainer_prepares_itself_what_it_does_not_find(job: JobFactory, train: Train, change: str) -> None:
    report = prepared(job(), Path(job().workspace))
    assert report.key is not None
    wanted = job(prepared=report.key)
    if change == "gone":
        release(Path(wanted.workspace) / "cache", "job")
    elif change == "other settings":
        wanted = job(prepared=report.key, model__transformer__contextLength=16)
    else:
        data = Path(wanted.dataset.source.location, "reference.txt")
        data.write_text(data.read_text()[:50_000])
        source = wanted.dataset.source.model_copy(update={"sha256": open_records([data], root=data).sha256})
        wanted = wanted.model_copy(update={"dataset": wanted.dataset.model_copy(update={"source": source})})

    result = train(wanted).result

    assert result.succeeded
    assert len(list(Path(wanted.workspace, "cache").glob("prepared-*"))) == (1 if change == "gone" else 2)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        pytest.param({}, 2, ErrorReason.DATASET_NOT_FOUND, id="no data: the same again, so no other try"),
        pytest.param(
            {"hyperparameters__contextLength": 64, "data": None},
            2,
            ErrorReason.INVALID_CONFIGURATION,
            id="a job that makes no sense",
        ),
    ],
)
def test_what_is_wrong_with_the_data_is_the_report(
    tmp_path: Path, change: dict[str, Any], status: int, reason: ErrorReason
) -> None:
    job = make_job(tmp_path / "workspace", **{"data": tmp_path / "nothing", **change})
    environ = asked(job, tmp_path)

    assert prepare.main(environ) == status
    report = PreparationReport.from_json((tmp_path / "job.message").read_bytes())
    assert report.reason is reason
    assert report.key is None


def test_large_data_is_prepared_in_shards_that_are_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "SMALL_BYTES", 1000)
    told: list[tuple[int, int]] = []
    job = make_job(tmp_path / "workspace")
    watch = step.Watch(advanced=lambda done, of: told.append((done, of)))

    found = step.prepare_data(job, training_half("chat"), volume=tmp_path / "workspace", watch=watch)

    assert not found.found
    (total,) = {of for _, of in told}
    assert total == (tmp_path / "data" / "reference.txt").stat().st_size
    assert told[0][0] == 0
    assert told[-1][0] == total
    cache = tmp_path / "workspace" / "cache"
    assert sorted(path.name for path in cache.iterdir()) == sorted([f"prepared-{found.key}", f"users-{found.key}"])


class Clock:
    """Time that passes only in pauses; ``meanwhile`` is what others do in each of them."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self._meanwhile = meanwhile

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """A while later."""
        self.now += seconds
        self._meanwhile()


def left_by(user: str, root: Path) -> Place:
    """The place of somebody who was killed while preparing."""
    place = Place(root, "key", user)
    place.under_way.mkdir(parents=True)
    (place.under_way / "lease.json").write_text(json.dumps({"user": user, "token": place.token}))
    return place


def test_the_second_waits_for_the_first_and_finds_what_it_has_made(tmp_path: Path) -> None:
    first, second = left_by("first", tmp_path), Place(tmp_path, "key", "second")
    finished = tmp_path / "finished"
    finished.mkdir()
    beats = iter(range(1, 200))

    def meanwhile() -> None:
        beat = next(beats)
        os.utime(first.under_way / "lease.json", ns=(beat, beat))
        if beat == 150:
            first.publish(finished)

    clock, told = Clock(meanwhile), []
    with second.held(waiting=told.append, pause=clock.pause, clock=clock) as held:
        assert held is None
    assert told == ["first"]
    assert clock.now > 60  # as long as it takes, where the first one lives
    assert second.target.exists()
    assert not second.under_way.exists()


def test_a_lease_that_nobody_touches_any_more_is_taken_over(tmp_path: Path) -> None:
    left_by("first", tmp_path)
    clock = Clock()
    with Place(tmp_path, "key", "second").held(pause=clock.pause, clock=clock) as held:
        assert held is not None
        held()
    assert 60 <= clock.now < 70


def test_what_another_process_of_the_same_job_has_left_is_taken_over_at_once(tmp_path: Path) -> None:
    left_by("first", tmp_path)
    clock = Clock()
    with Place(tmp_path, "key", "first").held(pause=clock.pause, clock=clock) as held:
        assert held is not None
    assert clock.now == 0


def test_whoever_has_lost_the_lease_does_not_take_it_back_from_its_own_job(tmp_path: Path) -> None:
    left_by("first", tmp_path)
    clock = Clock()
    with Place(tmp_path, "key", "first").held(inherits=False, pause=clock.pause, clock=clock) as held:
        assert held is not None
    assert clock.now >= 60


def test_whoever_loses_the_lease_stops_its_work(tmp_path: Path) -> None:
    told = threading.Event()

    def until_refused(held: Callable[[], None]) -> None:
        while not told.wait(0.01):
            held()

    with Place(tmp_path, "key", "same").held(beat=0.01) as held:
        assert held is not None
        # Taken over at once, because it is the same job's.
        with Place(tmp_path, "key", "same").held(), pytest.raises(LeaseLostError):
            until_refused(held)


def test_a_mark_that_was_forgotten_keeps_nothing_for_ever(tmp_path: Path) -> None:
    place = Place(tmp_path, "key", "mine")
    place.target.mkdir()
    (place.target / "rows").write_bytes(b"12345")
    place.mark()
    Place(tmp_path, "key", "deleted").mark()
    os.utime(place.users / "deleted", (0, 0))
    other = Place(tmp_path, "other", "deleted too")
    other.target.mkdir()
    other.mark()
    os.utime(other.users / "deleted too", (0, 0))

    assert release(tmp_path, "mine") == 5
    assert list(tmp_path.iterdir()) == []


def pair(store: dist.Store, *, silence: float) -> list[Processes]:
    """Two processes that meet in a store."""
    cpu, beat = torch.device("cpu"), timedelta(milliseconds=20)
    return [Processes(rank, 2, cpu, store=store, beat=beat, silence=timedelta(seconds=silence)) for rank in range(2)]


def test_the_others_wait_for_the_first_however_long_it_takes(tmp_path: Path) -> None:
    first, other = pair(dist.HashStore(), silence=0.5)
    released, found = threading.Event(), []
    waiting = threading.Thread(target=lambda: found.append(other.from_first(lambda: pytest.fail("not its work"))))
    waiting.start()

    def work() -> Path:
        assert not released.wait(2.0)  # four times as long as a silence may last
        return tmp_path

    assert first.from_first(work) == tmp_path
    first.wait_until_heard()  # or its store would go before the other one has read it
    waiting.join()
    assert found == [tmp_path]


def test_a_failure_of_the_first_is_the_failure_of_all() -> None:
    first, other = pair(dist.HashStore(), silence=60)

    def fail() -> None:
        raise DataError(file="rows.jsonl", row=3, message="is wrong")

    for process in (first, other):
        with pytest.raises(RuntimeFailure, match=r"rows\.jsonl:3: is wrong") as caught:
            process.from_first(fail)
        assert caught.value.reason is ErrorReason.DATASET_INVALID


def test_a_first_process_that_shows_no_sign_of_life_is_given_up() -> None:
    _, other = pair(dist.HashStore(), silence=0.1)
    with pytest.raises(RuntimeFailure, match="no sign of life") as caught:
        other.from_first(lambda: None)
    assert caught.value.reason is ErrorReason.INTERNAL


def test_the_time_to_go_follows_from_what_is_done(job: JobFactory) -> None:
    now = [0.0]
    board = ProgressBoard(job(), world_size=1, clock=lambda: now[0])
    board.enter(Stage.PREPARING_DATA)
    board.advanced(0, 400)
    assert (board.snapshot.shown_percent, board.snapshot.eta_seconds) == (0, None)

    now[0] = 30.0
    board.advanced(100, 400)

    assert board.snapshot.stage is Stage.PREPARING_DATA
    assert (board.snapshot.shown_percent, board.snapshot.eta_seconds) == (25, 90.0)
    board.enter(Stage.STARTING)
    assert board.snapshot.eta_seconds is None
