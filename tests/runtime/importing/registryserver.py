"""A registry on loopback: manifests and blobs of repositories, tokens for those who may pull, and troubles."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from runtime.training.troubles import Troubles

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.config.v1+json"
IMAGE_LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
Json = dict[str, Any]


def digest_of(content: bytes) -> str:
    """As registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """An archive without compression; ``links`` are symbolic ones to anywhere."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


class RegistryServer:
    """Repositories by name. With ``user`` only those who show a token for that name and password are answered."""

    def __init__(
        self,
        *,
        user: tuple[str, str] | None = None,
        basic: bool = False,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.user = user
        self.basic = basic
        """Whether name and password are shown to the registry itself, as old ones want it."""
        self.anonymous = False
        """Whether tokens are given out to everybody."""
        self.troubles = Troubles()
        self.manifests: dict[str, bytes] = {}
        """By ``repository:tag`` and ``repository@digest``."""
        self.blobs: dict[str, bytes] = {}
        """By digest."""
        self.other_bytes: dict[str, bytes] = {}
        """By digest: what is given out instead."""
        self.cut_after: dict[str, list[int]] = {}
        """By digest: after how many bytes of each of the next answers the connection is cut."""
        self.offsets: dict[str, list[int]] = {}
        """By digest: from where on it was asked for."""
        self.requests: list[str] = []
        self.proofs: list[str] = []
        """Authorization of each request that had one."""
        self.elsewhere: RegistryServer | None = None
        """Where blobs are, if not here."""
        self.expired: set[str] = set()
        """Tokens that are worth nothing any more."""
        self._given = 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self)

            def do_HEAD(self) -> None:
                registry.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def blob(self, content: bytes, media_type: str, **annotations: str) -> Json:
        """Keep a blob; its descriptor."""
        self.blobs[digest_of(content)] = content
        found: Json = {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
        return found | ({"annotations": annotations} if annotations else {})

    def push(self, repository: str, tag: str, document: Json) -> str:
        """Keep a manifest or index; its digest."""
        content = json.dumps(document).encode()
        self.manifests[f"{repository}:{tag}"] = self.manifests[f"{repository}@{digest_of(content)}"] = content
        return digest_of(content)

    def image(self, repository: str, tag: str, layers: Sequence[bytes], *, packed: str = "") -> str:
        """Push a model as an image: layers are archives, compressed as ``packed`` says (gzip or zstd). Its digest."""
        blobs = [(_packed(layer, packed), f"{IMAGE_LAYER}{f'+{packed}' if packed else ''}") for layer in layers]
        about = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [*map(digest_of, layers)]},
        }
        config = self.blob(json.dumps(about).encode(), IMAGE)
        parts = [self.blob(content, media_type) for content, media_type in blobs]
        return self.push(repository, tag, manifest(config, parts))

    def artifact(self, repository: str, tag: str, files: Mapping[str, bytes], *, named: str, media_type: str) -> str:
        """Push a model as an artifact with a layer for each file, whose path stands in the annotation ``named``."""
        layers = [self.blob(content, media_type, **{named: name}) for name, content in files.items()]
        return self.push(repository, tag, manifest(self.blob(b"{}", EMPTY), layers))

    def archive(self, repository: str, digest: str, *, name: str) -> bytes:
        """An image as an archive that container runtimes load, under a name."""
        content = self.manifests[f"{repository}@{digest}"]
        found = json.loads(content)
        blobs = {digest: content} | {
            part["digest"]: self.blobs[part["digest"]] for part in (found["config"], *found["layers"])
        }
        entry = {"mediaType": MANIFEST, "digest": digest, "size": len(content)}
        index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": {"io.containerd.image.name": name}}]}
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
        return tar(files | {f"blobs/{each.replace(':', '/')}": body for each, body in blobs.items()})

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        self.requests.append(request.path)
        proof = request.headers.get("Authorization", "")
        self.proofs += filter(None, [proof])
        if self.troubles.strike(request, lambda status: self._send(request, status, b"")):
            return
        path = urlsplit(request.path).path
        if path == "/token":
            self._token(request, proof)
        elif not self._may(proof):
            scope = f'scope="repository:{"/".join(path.split("/")[2:-2])}:pull"'
            challenge = f'Bearer realm="{self.url}/token",service="{self.host}",{scope}'
            said = 'Basic realm="tiny"' if self.basic else challenge
            self._send(request, 401, b"{}", {"WWW-Authenticate": said})
        elif (match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path)) is not None:
            self._manifest(request, match[1], match[2])
        elif (match := re.fullmatch(r"/v2/.+/blobs/(.+)", path)) is not None:
            self._blob(request, match[1])
        else:
            self._send(request, 404, b"{}")

    def _may(self, proof: str) -> bool:
        if self.user is None:
            return True
        if self.basic:
            return proof == self._basic
        return proof.startswith("Bearer token-") and proof not in self.expired

    @property
    def _basic(self) -> str:
        return f"Basic {base64.b64encode(':'.join(self.user or ('', '')).encode()).decode()}"

    def _token(self, request: BaseHTTPRequestHandler, proof: str) -> None:
        query = parse_qs(urlsplit(request.path).query)
        assert query["service"] == [self.host]
        if proof != self._basic and not self.anonymous:
            return self._send(request, 401, b"{}")
        self._given += 1
        return self._send(request, 200, json.dumps({"token": f"token-{self._given}"}).encode())

    def _manifest(self, request: BaseHTTPRequestHandler, repository: str, reference: str) -> None:
        sign = "@" if ":" in reference else ":"
        content = self.manifests.get(f"{repository}{sign}{reference}")
        if content is None:
            return self._send(request, 404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
        media_type = str(json.loads(content).get("mediaType") or MANIFEST)
        headers = {"Docker-Content-Digest": digest_of(content)}
        return self._send(request, 200, self.other_bytes.get(reference, content), headers, media_type=media_type)

    def _blob(self, request: BaseHTTPRequestHandler, digest: str) -> None:
        if self.elsewhere is not None:
            return self._send(request, 307, b"", {"Location": f"{self.elsewhere.url}{request.path}"})
        content = self.other_bytes.get(digest, self.blobs.get(digest))
        if content is None:
            return self._send(request, 404, b"{}")
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        start = int(asked[1]) if asked else 0
        self.offsets.setdefault(digest, []).append(start)
        cuts = self.cut_after.get(digest)
        return self._send(request, 206 if start else 200, content[start:], cut=cuts.pop(0) if cuts else None)

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        cut: int | None = None,
        media_type: str = "application/octet-stream",
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Type", media_type)
        request.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            request.close_connection = True


def manifest(config: Json, layers: Sequence[Json]) -> Json:
    """A manifest with these parts."""
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": list(layers)}


def _packed(content: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(content, mtime=0)
    if how == "zstd":
        import pyarrow

        return bytes(pyarrow.compress(content, codec="zstd", asbytes=True))
    return content
