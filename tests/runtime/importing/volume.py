"""A volume in a directory, and imports onto it as pods make them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.importing.modelhub import ModelHub

from hostler_contract.importing import ImportConfig, ImportReport, ModelSource
from hostler_runtime.importing.facts import Known
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.origins import Tools
from hostler_runtime.importing.run import bring

NAME = "acme/tiny"
KNOWN = Known(decoders={"LlamaForCausalLM"}, types={"llama", "bert"})
WANTED = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "README.md"}
"""What comes of ``models.llama()``."""


class Volume:
    """A claim, and imports onto it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.waits: list[float] = []
        self.pause: Callable[[float], None] = self.waits.append
        """What happens instead of waiting."""
        self.meter = Meter(now=0.0)

    def bring(self, hub: ModelHub, *, environ: dict[str, str] | None = None, **config: Any) -> ImportReport:
        """One pod's try to get a model from a hub."""
        source = ModelSource(kind="hf", endpoint=hub.url, **{"repository": NAME, **config.pop("source", {})})
        return self.take(source, environ=environ, **config)

    def take(self, source: ModelSource, *, environ: dict[str, str] | None = None, **config: Any) -> ImportReport:
        """One pod's try."""
        asked = ImportConfig(
            name="tiny", namespace="default", source=source, directory="m", volume=str(self.root), **config
        )
        self.meter = Meter(now=0.0)
        tools = Tools(environ=environ or {}, meter=self.meter, clock=lambda: 0.0, pause=self.pause, known=lambda: KNOWN)
        return bring(asked, tools)

    @property
    def files(self) -> dict[str, bytes]:
        """What is published."""
        root = self.root / "m"
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
