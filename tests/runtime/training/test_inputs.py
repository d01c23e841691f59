"""Data and settings that cannot work, each with its reason and a sentence that says what to do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from runtime.training.harness import REFERENCE_TEXT, JobFactory, Train, free_port

from hostler_contract import DatasetSource, ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.corpus import Corpus, read_corpus, split
from hostler_runtime.training.sources import files_below, locate
from hostler_runtime.training.tokenizer import encode_documents, pieces, train_tokenizer

BODY = REFERENCE_TEXT[:50_000].encode()
BODY_SHA256 = hashlib.sha256(BODY).hexdigest()
INVALID, NOT_FOUND = ErrorReason.DATASET_INVALID, ErrorReason.DATASET_NOT_FOUND


def no_such_path(data: Path) -> None:
    """Nothing was mounted there."""


def empty_directory(data: Path) -> None:
    """A volume without files."""
    data.mkdir()


def only_hidden_files(data: Path) -> None:
    """Files that tools leave behind do not count."""
    (data / ".git").mkdir(parents=True)
    (data / ".git" / "config").write_text("text")


def empty_file(data: Path) -> None:
    """A file of no bytes."""
    data.mkdir()
    (data / "a.txt").write_text("")


def blank_file(data: Path) -> None:
    """Nothing but white space."""
    data.write_text(" \n\t\n")


def latin_1(data: Path) -> None:
    """Text in an old encoding."""
    data.write_bytes("Zürich".encode("latin-1") * 1000)


def image(data: Path) -> None:
    """Not text at all."""
    data.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


def a_sentence(data: Path) -> None:
    """Real text, but too little for one sequence."""
    data.write_text("The import statement combines two operations.")


def short_tail(data: Path) -> None:
    """Enough to train on, too little to hold out."""
    data.write_text(REFERENCE_TEXT[:300])


@pytest.mark.parametrize(
    ("arrange", "want_reason", "want_words"),
    [
        (no_such_path, NOT_FOUND, "does not exist in the dataset volume: check the source's path"),
        (empty_directory, NOT_FOUND, "holds no files: put text files there"),
        (only_hidden_files, NOT_FOUND, "holds no files"),
        (empty_file, INVALID, "holds no text: all its files are empty"),
        (blank_file, INVALID, "holds no text"),
        (latin_1, INVALID, "is not UTF-8 text (byte 1 is 0xfc): convert or remove it"),
        (image, INVALID, "is not UTF-8 text (byte 0 is 0x89)"),
        (a_sentence, INVALID, "the train part has"),
        (short_tail, INVALID, "the validation part has"),
    ],
)
def test_data_that_cannot_be_trained_on(
    arrange: Callable[[Path], None],
    want_reason: ErrorReason,
    want_words: str,
    job: JobFactory,
    train: Train,
    tmp_path: Path,
) -> None:
    arrange(tmp_path / "given")

    with pytest.raises(RuntimeFailure) as failure:
        train(job(data=tmp_path / "given"))

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message
    assert not list((tmp_path / "workspace").rglob("prepared-*"))


@pytest.mark.parametrize(
    ("changes", "want_reason", "want_words"),
    [
        ({"model__heads": 3}, ErrorReason.INVALID_CONFIGURATION, "hiddenSize 32 is not a multiple of heads 3"),
        (
            {"model__architecture": "llama", "model__dropout": 0.0, "model__hiddenSize": 30, "model__heads": 2},
            ErrorReason.INVALID_CONFIGURATION,
            "hiddenSize / heads is 15; rotary positions need an even number",
        ),
        ({"model__architecture": "llama"}, ErrorReason.INVALID_CONFIGURATION, "llama architecture has no dropout"),
        (
            {"model__vocabularySize": 100},
            ErrorReason.INVALID_CONFIGURATION,
            "vocabularySize is 100; a byte-level tokenizer needs at least 258",
        ),
        (
            {"hyperparameters__learningRate": 1e30, "hyperparameters__warmupSteps": 0},
            ErrorReason.TRAINING_DIVERGED,
            "lower the learning rate or lengthen the warm-up",
        ),
    ],
)
def test_settings_that_cannot_work(
    changes: dict[str, Any], want_reason: ErrorReason, want_words: str, job: JobFactory, train: Train
) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        train(job(**changes))

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message


def test_a_workspace_that_cannot_be_written(job: JobFactory, train: Train) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        train(job().model_copy(update={"workspace": "/dev/null"}))

    assert failure.value.reason is ErrorReason.INVALID_CONFIGURATION
    assert failure.value.message == "the workspace /dev/null cannot be written: Not a directory"


class Site:
    """A web server whose answers a test chooses."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answers: dict[str, list[tuple[int, bytes, int | None]]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                queue = site.answers[self.path]
                status, body, announced = queue.pop(0) if len(queue) > 1 else queue[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if announced is None else announced))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str, *answers: tuple[int, bytes, int | None]) -> str:
        """Answer requests of ``path`` in this order, the last one again and again."""
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A fresh server."""
    server = Site()
    yield server
    server.close()


def fetch(
    url: str, tmp_path: Path, *, sha256: str | None = None, limit: int = 1 << 20, waits: list[float] | None = None
) -> bytes:
    """Download through the code under test, without waiting between tries."""
    source = DatasetSource(kind="http", location=url, sha256=sha256)
    pause = (waits if waits is not None else []).append
    (file,) = locate(source, cache=tmp_path / "cache", limit=limit, pause=pause)
    return file.read_bytes()


def test_a_download_is_kept_for_later_attempts(site: Site, tmp_path: Path) -> None:
    url = site.url("/text", (200, BODY, None), (200, b"changed meanwhile", None))

    assert fetch(url, tmp_path) == BODY
    assert fetch(url, tmp_path) == BODY
    assert fetch(url, tmp_path, sha256=BODY_SHA256.upper()) == BODY
    assert site.requests == ["/text"]


def test_a_kept_download_that_is_not_what_was_asked_for_is_fetched_again(site: Site, tmp_path: Path) -> None:
    url = site.url("/text", (200, b"first edition", None), (200, BODY, None))
    fetch(url, tmp_path)

    assert fetch(url, tmp_path, sha256=BODY_SHA256) == BODY


def test_a_server_in_trouble_is_asked_again(site: Site, tmp_path: Path) -> None:
    waits: list[float] = []
    url = site.url("/text", (503, b"", None), (200, BODY[:100], len(BODY)), (200, BODY, None))

    assert fetch(url, tmp_path, waits=waits) == BODY
    assert waits == [2.0, 4.0]


@pytest.mark.parametrize(
    ("answer", "options", "want_reason", "want_words", "want_requests"),
    [
        ((404, b"", None), {}, NOT_FOUND, "the server answered 404 Not Found. Check the URL", 1),
        ((403, b"", None), {}, NOT_FOUND, "the server answered 403 Forbidden", 1),
        ((500, b"", None), {}, NOT_FOUND, "the server answered 500 Internal Server Error", 3),
        ((200, BODY[:100], len(BODY)), {}, NOT_FOUND, "the body ended after 100 of 50", 3),
        ((200, BODY, None), {"sha256": "0" * 64}, INVALID, f"has SHA-256 {BODY_SHA256}, expected 000", 1),
        ((200, BODY, None), {"limit": 1000}, INVALID, "has more than 1000 bytes", 1),
    ],
)
def test_a_download_that_fails(
    answer: tuple[int, bytes, int | None],
    options: dict[str, Any],
    want_reason: ErrorReason,
    want_words: str,
    want_requests: int,
    site: Site,
    tmp_path: Path,
) -> None:
    url = site.url("/text", answer)

    with pytest.raises(RuntimeFailure) as failure:
        fetch(url, tmp_path, **options)

    assert failure.value.reason is want_reason
    assert want_words in failure.value.message
    assert url in failure.value.message
    assert len(site.requests) == want_requests
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("url", "want_words"),
    [
        (f"http://127.0.0.1:{free_port()}/text", "could not be downloaded"),
        ("http://no-such-host.invalid/text", "could not be downloaded"),
        ("file:///etc/passwd", "is not an http or https URL"),
        ("ftp://127.0.0.1/text", "is not an http or https URL"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, want_words: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure) as failure:
        fetch(url, tmp_path)

    assert failure.value.reason is NOT_FOUND
    assert want_words in failure.value.message


def test_a_job_trains_on_a_download(site: Site, job: JobFactory, train: Train) -> None:
    url = site.url("/text", (200, BODY, None))

    result = train(job(dataset__source={"kind": "http", "location": url, "sha256": BODY_SHA256})).result

    assert result.succeeded
    assert result.dataset is not None
    assert result.dataset.size_bytes == len(BODY)


def test_a_path_may_be_checked_by_hash_too(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(BODY)
    right = DatasetSource(kind="path", location=str(tmp_path / "text"), sha256=BODY_SHA256)
    wrong = right.model_copy(update={"sha256": "f" * 64})

    assert locate(right, cache=tmp_path) == [tmp_path / "text"]
    with pytest.raises(RuntimeFailure, match="expected ffff") as failure:
        locate(wrong, cache=tmp_path)
    assert failure.value.reason is INVALID


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """The kubelet mounts a timestamped directory, a link to it, and links to the files in that."""
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "..2026_01_01" / "text").write_bytes(BODY)
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "text").symlink_to("..data/text")

    assert files_below(tmp_path) == [tmp_path / "text"]


def _corpus(*documents: str) -> Corpus:
    return Corpus(documents=documents, sha256="", size_bytes=1)


@pytest.mark.parametrize(
    ("documents", "percent", "want_train", "want_validation"),
    [
        pytest.param(("a\nb\nc\nd\n",), 25, ("a\nb\nc\n",), ("d\n",), id="one document is cut at the end of a line"),
        pytest.param(("aaaaaaaa",), 25, ("aaaaaa",), ("aa",), id="without line ends it is cut where it is"),
        pytest.param(("aaaa", "bbbb"), 50, ("aaaa",), ("bbbb",), id="a border between documents cuts none"),
        pytest.param(("aaaa", "bb\nbb\n", "cc"), 50, ("aaaa", "bb"), ("\nbb\n", "cc"), id="one of several is cut"),
        pytest.param(("aaaa\n\n", "bb"), 30, ("aaaa\n",), ("bb",), id="what is left blank is left out"),
    ],
)
def test_the_held_out_part_is_the_tail(
    documents: tuple[str, ...], percent: int, want_train: tuple[str, ...], want_validation: tuple[str, ...]
) -> None:
    parts = split(_corpus(*documents), validation_percent=percent)

    assert parts.train == want_train
    assert parts.validation == want_validation


def test_files_are_shuffled_the_same_way_every_time(tmp_path: Path) -> None:
    files = [tmp_path / f"{index}.txt" for index in range(20)]
    for index, file in enumerate(files):
        file.write_text(f"document {index}")

    first, second = (read_corpus(files, location="here") for _ in range(2))

    assert first == second
    assert sorted(first.documents) == sorted(f"document {index}" for index in range(20))
    assert list(first.documents) != [f"document {index}" for index in range(20)]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("\ufeffHello".encode())

    assert read_corpus([tmp_path / "text"], location="here").documents == ("Hello",)


def test_data_cannot_forge_a_document_border() -> None:
    tokenizer = train_tokenizer(["some text <|endoftext|> more"], vocabulary_size=300, context_length=8)
    border = tokenizer.eos_token_id

    tokens = [token for part in encode_documents(tokenizer, ["a <|endoftext|> b", "c"]) for token in part]

    assert tokens.count(border) == 3
    assert tokens[0] == tokens[-1] == border
    assert tokenizer.encode("<|endoftext|>", add_special_tokens=False) == [border]


def test_long_texts_are_cut_at_line_ends_and_lose_nothing() -> None:
    text = "".join(f"line {index}\n" for index in range(1000)) + "x" * 500

    parts = list(pieces([text], size=100))

    assert "".join(parts) == text
    assert max(map(len, parts)) <= 100
    assert all(part.endswith("\n") for part in parts[:-6])
