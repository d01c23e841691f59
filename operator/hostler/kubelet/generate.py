"""Writes the gRPC modules from the two proto files: ``python -m hostler.kubelet.generate``.

The results are committed, so that an installed package needs no compiler; a drift test calls :func:`generate` into an
empty folder and compares. Needs ``grpcio-tools``, which only the development environment has.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]
PROTOS = ("deviceplugin", "podresources")
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


class GenerateError(RuntimeError):
    """The compiler refused a proto file; its own message is on standard error."""


def generated_names() -> tuple[str, ...]:
    """File names that :func:`generate` writes."""
    return tuple(f"{proto}{suffix}" for proto in PROTOS for suffix in SUFFIXES)


def generate(target: Path) -> None:
    """Compile every proto file and put the modules into ``target``."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as scratch:
        # Compiled from the package root, so that the modules import each other by their full names.
        files = [f"hostler/kubelet/{proto}.proto" for proto in PROTOS]
        outputs = [f"--{kind}_out={scratch}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", f"--proto_path={ROOT}", *outputs, *files]) != 0:
            raise GenerateError(f"protoc refused {', '.join(files)} below {ROOT}")
        for name in generated_names():
            text = (Path(scratch) / "hostler" / "kubelet" / name).read_text(encoding="utf-8")
            (target / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    generate(PACKAGE)
