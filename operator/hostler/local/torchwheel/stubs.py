"""Stub libraries that satisfy the dynamic loader where the CUDA libraries were.

A symbol that is bound at load time must exist, or the import of torch fails; none of them is ever called on a machine
without a CUDA device except the probes that ask whether there is one, and those get "no device".
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostler.local.torchwheel.elf import Library, Symbol
from hostler.local.torchwheel.errors import TorchWheelError

VENDOR_LIBRARY = re.compile(r"lib(cu|nv|nccl)")
_VENDOR_SYMBOL = re.compile(r"(cu|nv|nccl)")
_NO_DEVICE = 100
"""``cudaErrorNoDevice``; any non-zero code would do for the other libraries."""


@dataclass
class StubPlan:
    """Which stub libraries to make, and what each must export."""

    torch_cuda: dict[str, Symbol] = field(default_factory=dict)
    """Symbols of the dropped libraries that the kept ones still name: the content of ``libtorch_cuda.so``."""
    vendor: dict[str, dict[str, dict[str, Symbol]]] = field(default_factory=dict)
    """Library -> symbol version -> symbols, for the vendor libraries that are named as NEEDED."""


def plan_stubs(*, kept: Iterable[Library], dropped: Iterable[Library]) -> StubPlan:
    """Decide what is missing once ``dropped`` is gone."""
    plan = StubPlan()
    lost = {symbol.name: symbol for library in dropped for symbol in library.symbols if symbol.defined}
    defined: set[str] = set()
    unversioned: list[Symbol] = []
    for library in kept:
        for name in filter(VENDOR_LIBRARY.match, library.needed):
            plan.vendor.setdefault(name, {})
        for symbol in library.symbols:
            if symbol.defined:
                defined.add(symbol.name)
            elif symbol.version is None:
                unversioned.append(symbol)
            else:
                for source in filter(VENDOR_LIBRARY.match, library.version_sources.get(symbol.version, ())):
                    plan.vendor.setdefault(source, {}).setdefault(symbol.version, {})[symbol.name] = symbol
    for symbol in unversioned:
        if symbol.name in defined:
            continue
        if symbol.name in lost:
            plan.torch_cuda[symbol.name] = lost[symbol.name]
        elif not symbol.weak and _VENDOR_SYMBOL.match(symbol.name):
            plan.torch_cuda[symbol.name] = symbol
    return plan


def assembler(symbols: Iterable[Symbol]) -> str:
    """x86-64 assembler that defines every symbol."""
    text = [".text"]
    data = [".data"]
    for symbol in sorted(symbols, key=lambda each: each.name):
        if symbol.kind in {"FUNC", "IFUNC", "NOTYPE"}:
            text.append(_function(symbol.name))
        elif symbol.name.startswith("_ZTI"):
            data.append(_type_info(symbol))
        else:
            data.append(_object(symbol, body=f".zero {max(symbol.size, 8)}"))
    return "\n".join([*text, *data, _COMMON]) + "\n"


def _function(name: str) -> str:
    if name in {"cudaGetErrorString", "cudaGetErrorName"}:
        body = "lea stub_message(%rip), %rax"
    elif name.startswith(("__cudaRegister", "__cudaUnregister")):
        body = "xor %eax, %eax"  # called by static initialisers of the kept libraries
    elif re.search(r"C[12]E", name):
        body = "lea stub_vtable+16(%rip), %rax\n mov %rax, (%rdi)"  # a constructor: a destructor must find a vtable
    elif name.startswith("_Z"):
        body = "lea stub_scratch(%rip), %rax"  # may return a reference
    else:
        body = f"mov ${_NO_DEVICE}, %eax"
    return f'.globl "{name}"\n.type "{name}", @function\n"{name}":\n {body}\n ret'


def _type_info(symbol: Symbol) -> str:
    """RTTI with a real name: pybind11 reads it while torch is imported."""
    body = (
        ".quad _ZTVN10__cxxabiv117__class_type_infoE+16\n .quad 1f\n"
        f' .zero {max(0, symbol.size - 16)}\n1: .asciz "{symbol.name.removeprefix("_ZTI")}"'
    )
    return _object(symbol, body=body)


def _object(symbol: Symbol, *, body: str) -> str:
    name = symbol.name
    return f'.align 16\n.globl "{name}"\n.type "{name}", @object\n.size "{name}", {symbol.size}\n"{name}":\n {body}'


_COMMON = """
.align 16
stub_type_info: .quad _ZTVN10__cxxabiv117__class_type_infoE+16
 .quad 2f
2: .asciz "4stub"
.align 16
stub_vtable: .quad 0
 .quad stub_type_info
 .rept 40
 .quad stub_return
 .endr
.align 64
stub_scratch: .zero 4096
stub_message: .asciz "no CUDA in this build"
.text
stub_return: ret
.section .note.GNU-stack,"",@progbits
"""


def version_script(versions: Mapping[str, Iterable[str]]) -> str:
    """Linker script that gives each symbol the version under which it is looked up."""
    return "".join(f"{version} {{ global: {' '.join(f'{name};' for name in sorted(names))} }};\n"
                   for version, names in sorted(versions.items()))  # fmt: skip


def write_stubs(plan: StubPlan, *, target: Path, scratch: Path) -> list[str]:
    """Compile the planned libraries into ``target``; returns their names."""
    _compile(target / "libtorch_cuda.so", symbols=plan.torch_cuda.values(), versions={}, scratch=scratch)
    for library, versions in sorted(plan.vendor.items()):
        symbols = {name: symbol for group in versions.values() for name, symbol in group.items()}
        _compile(target / library, symbols=symbols.values(), versions=versions, scratch=scratch)
    return ["libtorch_cuda.so", *sorted(plan.vendor)]


def _compile(output: Path, *, symbols: Iterable[Symbol], versions: Mapping[str, Iterable[str]], scratch: Path) -> None:
    source = scratch / f"{output.name}.s"
    source.write_text(assembler(symbols))
    command = ["gcc", "-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=none", f"-Wl,-soname,{output.name}"]
    if versions:
        script = scratch / f"{output.name}.map"
        script.write_text(version_script(versions))
        command.append(f"-Wl,--version-script={script}")
    # libstdc++ holds the vtable that type information points to; it comes last, after its user. `-l:` takes the
    # runtime library itself, which is there without the C++ compiler's development package.
    command += ["-o", str(output), str(source), "-l:libstdc++.so.6"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise TorchWheelError("gcc is not installed: install the package `gcc`") from None
    except subprocess.CalledProcessError as error:
        raise TorchWheelError(f"gcc could not make the stub {output.name}: {error.stderr.strip()}") from error
