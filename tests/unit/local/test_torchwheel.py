"""The small torch wheel: what is kept, what is stubbed, how it is packed. The 500 MB input is not needed for that."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from hostler.local.naming import cache_root
from hostler.local.torchwheel import TorchWheelError, WheelRequest
from hostler.local.torchwheel import __main__ as command
from hostler.local.torchwheel.build import place
from hostler.local.torchwheel.elf import Library, Symbol, parse_symbols, parse_version_sources, read_library
from hostler.local.torchwheel.repack import edit_metadata, replace_libraries, wanted, write_wheel
from hostler.local.torchwheel.stubs import plan_stubs, write_stubs

DYNAMIC_SYMBOLS = """
Symbol table '.dynsym' contains 5 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND cudaMalloc@libcudart.so.13 (4)
     2: 0000000000000000     0 FUNC    WEAK   DEFAULT  UND ncclSend
     3: 0000000000001139    22 FUNC    GLOBAL DEFAULT   12 offered@@V1
     4: 0000000000004010  0x10 OBJECT  GLOBAL DEFAULT   23 _ZTI6Widget
"""

VERSION_NEEDS = """
Version needs section '.gnu.version_r' contains 2 entries:
  000000: Version: 1  File: libcudart.so.13  Cnt: 1
  0x0010:   Name: libcudart.so.13  Flags: none  Version: 4
  0x0020: Version: 1  File: libc.so.6  Cnt: 2
  0x0030:   Name: GLIBC_2.34  Flags: none  Version: 3
  0x0040:   Name: GLIBC_2.2.5  Flags: none  Version: 2
"""


def symbol(name: str, *, version: str | None = None, kind: str = "FUNC", size: int = 0, weak: str = "") -> Symbol:
    """A symbol that a library asks for."""
    return Symbol(name=name, version=version, kind=kind, size=size, defined=False, weak=bool(weak))


def library(
    *, offers: tuple[str, ...] = (), asks: tuple[Symbol, ...] = (), needed: tuple[str, ...] = (), **sources: str
) -> Library:
    """A library seen from outside."""
    offered = tuple(Symbol(name=name, version=None, kind="FUNC", size=1, defined=True, weak=False) for name in offers)
    versions = {version: frozenset({name}) for version, name in sources.items()}
    return Library(path=Path("lib.so"), needed=needed, symbols=(*offered, *asks), version_sources=versions)


def test_symbols_are_read_from_readelf() -> None:
    assert parse_symbols(DYNAMIC_SYMBOLS.splitlines()) == [
        Symbol("cudaMalloc", "libcudart.so.13", "FUNC", 0, False, False),
        Symbol("ncclSend", None, "FUNC", 0, False, True),
        Symbol("offered", "V1", "FUNC", 22, True, False),
        Symbol("_ZTI6Widget", None, "OBJECT", 16, True, False),
    ]


def test_versions_are_read_with_the_library_they_come_from() -> None:
    assert parse_version_sources(VERSION_NEEDS.splitlines()) == {
        "libcudart.so.13": frozenset({"libcudart.so.13"}),
        "GLIBC_2.34": frozenset({"libc.so.6"}),
        "GLIBC_2.2.5": frozenset({"libc.so.6"}),
    }


def test_only_what_is_named_and_gone_is_stubbed() -> None:
    plan = plan_stubs(
        kept=[
            library(
                offers=("here",),
                asks=(
                    symbol("here"),
                    symbol("lost"),
                    symbol("cuInit"),
                    symbol("ncclSend", weak="weak"),
                    symbol("malloc"),
                    symbol("cudaMalloc", version="V13"),
                ),
                needed=("libcudart.so.13", "libcupti.so.13", "libc.so.6"),
                V13="libcudart.so.13",
            )
        ],
        dropped=[library(offers=("lost", "unused"))],
    )

    assert sorted(plan.torch_cuda) == ["cuInit", "lost"]
    assert {name: {v: sorted(s) for v, s in versions.items()} for name, versions in plan.vendor.items()} == {
        "libcudart.so.13": {"V13": ["cudaMalloc"]},
        "libcupti.so.13": {},
    }


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stub libraries with one symbol of every kind."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc here; `make dev-runtime` installs it, and `make test` calls that first")
    directory = tmp_path_factory.mktemp("stubs")
    plan = plan_stubs(
        kept=[
            library(
                asks=(
                    symbol("cudaGetDeviceCount", version="V13"),
                    symbol("cudaGetErrorString", version="V13"),
                    symbol("__cudaRegisterFunction", version="V13"),
                    symbol("nvLost"),
                    symbol("_ZTI6Widget"),
                ),
                needed=("libcudart.so.13",),
                V13="libcudart.so.13",
            )
        ],
        dropped=[
            Library(
                path=Path("x"),
                needed=(),
                symbols=(Symbol("_ZTI6Widget", None, "OBJECT", 16, True, False),),
                version_sources={},
            )
        ],
    )
    assert write_stubs(plan, target=directory, scratch=directory) == ["libtorch_cuda.so", "libcudart.so.13"]
    return directory


def test_stub_functions_say_that_there_is_no_device(stubs: Path) -> None:
    runtime = ctypes.CDLL(str(stubs / "libcudart.so.13"))
    runtime.cudaGetErrorString.restype = ctypes.c_char_p

    assert runtime.cudaGetDeviceCount() == 100
    assert runtime.cudaGetErrorString(100) == b"no CUDA in this build"
    assert runtime.__cudaRegisterFunction() == 0
    assert ctypes.CDLL(str(stubs / "libtorch_cuda.so")).nvLost() == 100


def test_stub_symbols_carry_the_version_they_are_looked_up_by(stubs: Path) -> None:
    offered = {each.name: each.version for each in read_library(stubs / "libcudart.so.13").symbols if each.defined}

    assert offered["cudaGetDeviceCount"] == "V13"


def test_stub_type_information_has_a_readable_name(stubs: Path) -> None:
    address = ctypes.c_void_p.in_dll(ctypes.CDLL(str(stubs / "libtorch_cuda.so")), "_ZTI6Widget")
    name = ctypes.c_char_p.from_address(ctypes.addressof(address) + 8)

    assert name.value == b"6Widget"


def test_metadata_loses_what_would_bring_cuda_back() -> None:
    text = (
        "Metadata-Version: 2.4\nName: torch\nVersion: 2.13.0\nRequires-Dist: filelock\n"
        'Requires-Dist: nvidia-cublas==13.0; platform_system == "Linux"\nRequires-Dist: cuda-bindings\n'
        "Requires-Dist: triton==3.6.0\nRequires-Dist: sympy>=1.13.3\n\nVersion: in the text stays\n"
    )

    assert edit_metadata(text) == (
        "Metadata-Version: 2.4\nName: torch\nVersion: 2.13.0+cpuslim\nRequires-Dist: filelock\n"
        "Requires-Dist: sympy>=1.13.3\n\nVersion: in the text stays\n"
    )


def test_metadata_of_something_else_is_refused() -> None:
    with pytest.raises(TorchWheelError, match="no Version line"):
        edit_metadata("Name: torch\n")


@pytest.mark.parametrize(
    ("member", "want"),
    [
        ("torch/__init__.py", True),
        ("torch/bin/torch_shm_manager", True),
        ("torch/testing/__init__.py", True),
        ("torch/bin/protoc-3.13.0.0", False),
        ("torch/include/ATen/ATen.h", False),
        ("torch/test/x", False),
        ("torch-2.13.0.dist-info/METADATA", True),
        ("torch-2.13.0.dist-info/RECORD", False),
    ],
)
def test_what_is_unpacked(member: str, want: object) -> None:
    assert wanted(member) is want


def test_a_wheel_without_cuda_libraries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torch" / "lib").mkdir(parents=True)

    with pytest.raises(TorchWheelError, match=r"lacks libcaffe2_nvrtc\.so, .* not the CUDA build"):
        replace_libraries(tmp_path, scratch=tmp_path)


def test_packing_records_every_file_and_repeats_exactly(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name, content in (("torch/bin/tool", b"#!"), ("torch/a.py", b"a = 1\n"), ("torch-1.dist-info/METADATA", b"M")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)

    first, second = tmp_path / "first.whl", tmp_path / "second.whl"
    write_wheel(tree, target=first)
    (tree / "torch" / "a.py").touch()
    write_wheel(tree, target=second)

    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        rows = dict(row.split(",", 1) for row in archive.read("torch-1.dist-info/RECORD").decode().splitlines())
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"a = 1\n").digest()).rstrip(b"=").decode()
    assert rows == {
        "torch-1.dist-info/METADATA": rows["torch-1.dist-info/METADATA"],
        "torch-1.dist-info/RECORD": ",",
        "torch/a.py": f"sha256={digest},6",
        "torch/bin/tool": rows["torch/bin/tool"],
    }
    assert modes["torch/bin/tool"] == 0o755
    assert modes["torch/a.py"] == 0o644
    assert list(tmp_path.glob("*.partial")) == []


def test_the_cache_key_knows_python_and_source() -> None:
    keys = {
        WheelRequest(python="3.11").key,
        WheelRequest(python="3.12").key,
        WheelRequest(python="3.11", index_url="https://example.org/cpu").key,
    }

    assert len(keys) == 3
    assert WheelRequest(python="3.11").key == WheelRequest(python="3.11").key


@pytest.mark.parametrize(
    ("environ", "want"),
    [({"HOSTLER_CACHE_DIR": "/somewhere"}, Path("/somewhere")), ({}, Path.home() / ".cache" / "hostler")],
)
def test_the_cache_follows_the_environment(
    environ: dict[str, str], want: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOSTLER_CACHE_DIR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert cache_root() == want


def test_placing_leaves_one_wheel(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    wheel = tmp_path / "cache" / "torch-2.13.0+cpuslim-cp311.whl"
    wheel.write_text("new")
    output = tmp_path / "output"
    output.mkdir()
    (output / "torch-2.12.0+cpuslim-cp311.whl").write_text("old")
    (output / wheel.name).write_text("stale")

    for _ in range(2):
        assert place(wheel, directory=output).read_text() == "new"
    assert [path.name for path in output.iterdir()] == [wheel.name]


def test_the_command_finds_the_wheel_in_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "cache" / "wheels" / WheelRequest(python="3.12").key
    home.mkdir(parents=True)
    (home / "torch-2.13.0+cpuslim-cp312.whl").write_text("wheel")
    arguments = ["--output", str(tmp_path / "out"), "--python", "3.12", "--cache", str(tmp_path / "cache")]

    assert command.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "torch-2.13.0+cpuslim-cp312.whl")


def test_the_command_names_the_versions_it_can_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--output", str(tmp_path), "--python", "3.7", "--cache", str(tmp_path)]) == 1
    assert "no pinned torch 2.13.0 for Python 3.7: choose one of 3.11, 3.12, 3.13" in capsys.readouterr().err
