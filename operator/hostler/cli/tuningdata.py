"""The data that `hostler tune` is given: a Dataset of the cluster, or a file of this machine, which no pod can read."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import click

from hostler.api.dataset import NAME_LIMIT
from hostler.api.tuning import TuningMethod
from hostler.cli.catalogview import ask_cluster
from hostler.cli.data import checked, roles_of
from hostler.cli.names import ObjectName
from hostler.cluster.client import Client
from hostler.cluster.errors import NotFound
from hostler.cluster.resources import resource_of
from hostler.manifests.fromcatalog import File, dataset_from
from hostler_contract.dataset import DatasetReport
from hostler_contract.job import DataFormat
from hostler_data.words import counted

Object = dict[str, Any]
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_ENDINGS = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt", ".tar", ".tgz", ".gz", ".zip"})
_CONFIG_MAP_BYTES = 2**20
_ERRORS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """What was typed."""

    given: str
    claim: str | None
    format: DataFormat | None
    columns: tuple[str, ...]

    @property
    def is_path(self) -> bool:
        """Names of Datasets have neither slashes nor dots."""
        return "/" in self.given or "." in self.given


@dataclass(frozen=True, kw_only=True)
class Data:
    """A Dataset by its name, and what has to be made for it."""

    name: str
    manifests: tuple[Object, ...] = ()
    remark: str = ""


def read_data(
    file: LocalFile,
    *,
    family: str,
    method: TuningMethod,
    namespace: str,
    kubeconfig: Path | None,
    ask: bool,
    dry_run: bool,
) -> Data:
    """The data, once it has been checked. Raises ``ClickException``."""
    if file.is_path:
        return _local(file, family=family, method=method, namespace=namespace, dry_run=dry_run)
    if file.claim or file.format or file.columns:
        raise click.UsageError(f"--claim, --format and --column go with a path, and {file.given} is a Dataset's name")
    _require_name(file.given)
    if not ask:
        return Data(name=file.given)
    return _named(file.given, method=method, namespace=namespace, kubeconfig=kubeconfig)


def _require_name(given: str) -> None:
    try:
        ObjectName(limit=NAME_LIMIT).convert(given, None, None)
    except click.BadParameter as error:
        here = f"; for the file of this machine write ./{given}" if Path(given).exists() else ""
        raise click.BadParameter(f"{error.message}{here}", param_hint="--dataset") from error


def _named(name: str, *, method: TuningMethod, namespace: str, kubeconfig: Path | None) -> Data:
    async def get(client: Client) -> Object | None:
        try:
            return await client.get(resource_of("Dataset"), namespace=namespace, name=name)
        except NotFound:
            return None

    found: Object | None = ask_cluster(kubeconfig, get)
    if found is None:
        here = f"; for the file of this machine write ./{name}" if Path(name).exists() else ""
        raise click.ClickException(f"there is no Dataset {name} in namespace {namespace}: make it first{here}")
    _check_format(found["spec"].get("format", "text"), method, what=f"Dataset {name}")
    _check_rows((found.get("status") or {}).get("roles", ()), method, what=f"Dataset {name}")
    ready = next((c for c in (found.get("status") or {}).get("conditions", ()) if c["type"] == "Ready"), None)
    waits = ready is None or ready["status"] != "True"
    said = ready["message"] if ready else "it has not been looked at yet"
    return Data(name=name, remark=f"The job waits for Dataset {name}: {said}" if waits else "")


def _local(file: LocalFile, *, family: str, method: TuningMethod, namespace: str, dry_run: bool) -> Data:
    path = Path(file.given)
    if not path.exists():
        raise click.ClickException(f"there is no file or directory {path}")
    report, format = checked(path, format=file.format, columns=file.columns, family=family)
    if not report.valid:
        shown = "\n".join(f"  {error}" for error in report.errors[:_ERRORS_SHOWN])
        raise click.ClickException(f"{path} cannot be learned from: {counted(report.error_count, 'error')}\n{shown}")
    _check_format(format, method, what=str(path))
    _check_rows(report.roles, method, what=str(path))
    name = dataset_name(path)
    if file.claim is None and not dry_run:
        raise click.ClickException(
            f"{_sound(path, report)}, and no pod can read this machine. {_way(path, name, report)}"
        )
    place = File(claim=file.claim or name, path=path.name, format=format, columns=roles_of(file.columns))
    manifest = dataset_from(name, place, namespace=namespace)
    remark = (
        f"{_sound(path, report)}. Dataset {name} reads it as {path.name} on claim {place.claim}: copy it there first."
    )
    return Data(name=name, manifests=(manifest,), remark=remark)


def dataset_name(path: Path) -> str:
    """Of a file, without the endings that say its format. Whatever else has a dot before it tells files apart, such as
    ``talks.v1.jsonl`` and ``talks.v2.jsonl``."""
    name = path.name.lower()
    while (ending := PurePath(name).suffix) in _ENDINGS:
        name = name.removesuffix(ending)
    return _NOT_IN_NAMES.sub("-", name).strip("-")[:NAME_LIMIT].rstrip("-") or "data"


def _check_format(format: str, method: TuningMethod, *, what: str) -> None:
    allowed = [each.value for each in method.data.formats]
    if format not in allowed:
        raise click.ClickException(f"{what} is of format {format}, and this method learns from {', '.join(allowed)}")


def _check_rows(roles: Collection[str], method: TuningMethod, *, what: str) -> None:
    """Columns that a family reads may be those of another method. Nothing is known of a Dataset before it is looked
    at."""
    if not roles or any(set(rows.split("+")) <= set(roles) for rows in method.data.rows):
        return
    wanted = " or ".join(method.data.rows)
    raise click.ClickException(
        f"{what} has the columns {', '.join(sorted(roles))}, and this method learns from rows with {wanted}: take "
        "another --method, or name the columns that play these roles (--column ROLE=NAME of a path, spec.columns of a "
        "Dataset)"
    )


def _sound(path: Path, report: DatasetReport) -> str:
    return f"{path} is sound: {counted(report.rows, 'row')}, {counted(report.size_bytes, 'byte')}"


def _way(path: Path, name: str, report: DatasetReport) -> str:
    """How data gets into the cluster."""
    ways = [
        "Copy it to a claim of the namespace (kubectl cp into a pod that mounts it) and add --claim CLAIM, so that "
        f"Dataset {name} is made of it",
        "or describe it where it lies already (a hub, a bucket, a URL) with a Dataset, and give that one's name",
    ]
    if path.is_file() and report.size_bytes <= _CONFIG_MAP_BYTES:
        ways.append(
            f"or, as it is small, make a ConfigMap (kubectl create configmap {name} --from-file={path}) and a Dataset "
            "with that as its source"
        )
    return f"{'; '.join(ways)} (docs/concepts/data.md)."
