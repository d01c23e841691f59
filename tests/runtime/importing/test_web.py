"""A model in an archive behind a URL: checked whole, unpacked in part."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from runtime.importing.models import LLAMA, document, llama, weights

from hostler_contract.importing import ImportConfig, ImportReason, ImportReport, ModelSource
from hostler_runtime.importing.facts import Known
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.origins import Tools
from hostler_runtime.importing.run import bring

KNOWN = Known(decoders={"LlamaForCausalLM"}, types={"llama"})
WANTED = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "README.md"}


def tar(files: Mapping[str, bytes], *, mode: str = "w:gz") -> bytes:
    """An archive, and in it a link that leads out."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("generation_config.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return made.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


class Site:
    """Gives out one body; the first answers with it may be cut."""

    def __init__(self, body: bytes, *, status: int = 200, cuts: tuple[int, ...] = ()) -> None:
        left = list(cuts)
        site = self
        self.ranges: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range", "")
                site.ranges.append(asked)
                part = body[int(asked.removeprefix("bytes=").rstrip("-")) :] if asked else body
                self.send_response(206 if asked and status == 200 else status)
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    # The first request only asks how large it is.
                    self.wfile.write(part[: left.pop(0)] if left and len(site.ranges) > 1 else part)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tiny.tar.gz"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


Bring = Callable[..., ImportReport]


@pytest.fixture
def brought(tmp_path: Path) -> Iterator[Bring]:
    """Import what a site gives out."""
    sites: list[Site] = []

    def go(body: bytes, *, sha256: str | None = None, volume_bytes: int | None = None, **site: Any) -> ImportReport:
        sites.append(Site(body, **site))
        source = ModelSource(kind="http", url=sites[-1].url, sha256=sha256 or hashlib.sha256(body).hexdigest())
        config = ImportConfig(
            name="tiny",
            namespace="default",
            source=source,
            directory="m",
            volume=str(tmp_path),
            volume_bytes=volume_bytes,
        )
        tools = Tools(
            environ={}, meter=Meter(now=0.0), clock=lambda: 0.0, pause=lambda seconds: None, known=lambda: KNOWN
        )
        return bring(config, tools)

    yield go
    for site in sites:
        site.close()


def published(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "m"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda: tar(llama()), id="tar.gz"),
        pytest.param(lambda: tar(llama(), mode="w"), id="tar"),
        pytest.param(lambda: zipped(llama()), id="zip"),
        pytest.param(lambda: tar({f"./tiny-1.0/{name}": content for name, content in llama().items()}), id="below one"),
    ],
)
def test_a_model_is_unpacked_without_what_could_run(pack: Callable[[], bytes], brought: Bring, tmp_path: Path) -> None:
    body = pack()

    report = brought(body)

    assert report.reason is None, report.message
    assert published(tmp_path) == {name: llama()[name] for name in WANTED}
    assert report.revision == hashlib.sha256(body).hexdigest()
    assert report.facts is not None
    assert (report.facts.family, report.facts.parameters) == ("chat", 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"], "the archive is gone"


def test_a_download_that_breaks_goes_on(brought: Bring, tmp_path: Path) -> None:
    assert brought(tar(llama()), cuts=(500, 300)).reason is None
    assert set(published(tmp_path)) == WANTED


@pytest.mark.parametrize(
    ("body", "options", "want", "words"),
    [
        pytest.param(tar(llama()), {"sha256": "0" * 64}, ImportReason.DIGEST_MISMATCH, f"of {'0' * 64}", id="its hash"),
        pytest.param(b"not there", {"status": 404}, ImportReason.SOURCE_NOT_FOUND, "answered with 404", id="no file"),
        pytest.param(b"words", {}, ImportReason.UNSUPPORTED_FORMAT, "is no tar or zip archive", id="no archive"),
        pytest.param(
            tar(llama())[:-200], {}, ImportReason.UNSUPPORTED_FORMAT, "archive that can be read", id="half of one"
        ),
        pytest.param(
            tar(llama(**{"model.safetensors": None})), {}, ImportReason.UNSUPPORTED_FORMAT, "can run code", id="pickles"
        ),
        pytest.param(
            tar(llama(**{"../x.json": b"{}"})), {}, ImportReason.UNSUPPORTED_FORMAT, "leads out", id="a way out"
        ),
        pytest.param(
            tar(llama(**{"config.json": document(LLAMA | {"architectures": ["T5Model"], "model_type": "t5"})})),
            {},
            ImportReason.UNSUPPORTED_ARCHITECTURE,
            "T5Model",
            id="another network",
        ),
        pytest.param(
            tar(llama(**{"model.safetensors": weights(1_000_000)})),
            {"volume_bytes": 4_100_000},
            ImportReason.STORAGE_FULL,
            "spec.importer.storage.size",
            id="archive and files do not fit together",
        ),
    ],
)
def test_bad_archives_are_named_with_the_way_out(
    body: bytes, options: dict[str, Any], want: ImportReason, words: str, brought: Bring, tmp_path: Path
) -> None:
    report = brought(body, **options)

    assert (report.reason, words in (report.message or "")) == (want, True), report.message
    assert not (tmp_path / "m").exists()
