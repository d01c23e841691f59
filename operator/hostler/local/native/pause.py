"""The sandbox image: one static program that waits and reaps, packed without any image builder."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from hostler.local.errors import ToolError
from hostler.local.native.node import PAUSE_IMAGE
from hostler.local.tools import which

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def archive(program: bytes, *, reference: str, machine: str) -> bytes:
    """An OCI layout in a tar: the program as /pause, run by nobody."""
    layer = _tar({"pause": (program, 0o755)})
    config = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": ["/pause", "-P"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}"]},
    }
    config_bytes = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config_bytes),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }
    manifest_bytes = json.dumps(manifest).encode()
    entry = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest_bytes)
    index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": {"io.containerd.image.name": reference}}]}
    blobs = {f"blobs/sha256/{_digest(blob)}": (blob, 0o644) for blob in (layer, config_bytes, manifest_bytes)}
    layout = {
        "oci-layout": (b'{"imageLayoutVersion":"1.0.0"}', 0o644),
        "index.json": (json.dumps(index).encode(), 0o644),
    }
    return _tar({**layout, **blobs})


def write_archive(path: Path, *, machine: str) -> None:
    source = which("catatonit")
    if source is None:
        raise ToolError("catatonit is missing", way_out="apt-get install catatonit")
    path.write_bytes(archive(Path(source).read_bytes(), reference=PAUSE_IMAGE, machine=machine))


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{_digest(blob)}", "size": len(blob)}


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
