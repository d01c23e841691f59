"""`hostler catalog`: the models that the cluster offers, what each needs, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from hostler.accelerators import Verb
from hostler.catalog import entries
from hostler.cli.catalogview import CatalogView, Entry, read_catalog, sources
from hostler.cli.failures import JsonCommand
from hostler.cli.tables import Column, show_table
from hostler.families import families, family
from hostler.manifests.yamltext import to_yaml_documents
from hostler.planning import quantities
from hostler.planning.catalog import serving_need, tuning_need
from hostler.planning.tuning import ranges

Object = dict[str, Any]

COLUMNS = (
    Column(name="ENTRY"),
    Column(name="FAMILY"),
    Column(name="PARAMETERS", right=True, leaves=4),
    Column(name="LICENSE", leaves=5),
    Column(name="APIS", leaves=1),
    Column(name="TO SERVE", right=True),
    Column(name="FITS"),
    Column(name="METHODS", leaves=2),
    Column(name="STATE", leaves=3),
)
_PROMPT = "a lighthouse by the sea in the evening"
_FILES = {
    "/v1/images/generations": " | jq -r '.data[0].b64_json' | base64 -d > image.png",
    "/v1/videos": " | jq -r .b64_json | base64 -d > clip.mp4",
}
"""What makes a file of an answer that holds one."""
_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


@click.command(cls=JsonCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("entry", required=False)
@click.option("--family", "family_name", help="Only entries of this family.")
@click.option("--fits", metavar="POOL", help="Only entries that a replica of fits onto one accelerator of this pool.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option("--manifests", is_flag=True, help="ClusterModels of this release for kubectl apply, without a cluster.")
@sources
def catalog(
    entry: str | None,
    *,
    family_name: str | None,
    fits: str | None,
    as_json: bool,
    manifests: bool,
    kubeconfig: Path | None,
    offline: bool,
) -> None:
    """List the models that can be used and tuned by name; with ENTRY say everything about one."""
    if manifests:
        click.echo(to_yaml_documents(entries().values()), nl=False)
        return
    if family_name is not None and family_name not in families():
        raise click.BadParameter(f"{family_name!r} is none of {', '.join(families())}", param_hint="--family")
    if offline and fits is not None:
        raise click.UsageError("--fits asks a cluster for its pools, and --offline asks none: leave one of them out")
    found = read_catalog(kubeconfig=kubeconfig, offline=offline)
    if entry is not None:
        chosen = found.entry(entry)
        click.echo(json.dumps(facts(chosen, found), indent=2) if as_json else "\n".join(details(chosen, found)))
        return
    shown, left = _selected(found, family_name=family_name, fits=fits)
    if as_json:
        click.echo(json.dumps([facts(each, found) for each in shown], indent=2))
    elif not shown:
        click.echo("No entry of the catalog is like that." if found.entries else _EMPTY)
    else:
        show_table(COLUMNS, rows_of(shown, found))
    if left:
        click.echo(f"{left} more do not say how large they are.", err=True)


_EMPTY = (
    "The catalog is empty: install the chart with catalog.enabled, or apply what `hostler catalog --manifests` prints."
)


def _selected(found: CatalogView, *, family_name: str | None, fits: str | None) -> tuple[list[Entry], int]:
    """The entries that are asked for, and how many might be too but do not say how large they are."""
    if fits is not None and fits not in found.pools:
        known = f"the pools are {', '.join(sorted(found.pools))}" if found.pools else "there are none"
        raise click.ClickException(f"there is no AcceleratorPool {fits}: {known}")
    asked = [each for _, each in sorted(found.entries.items()) if family_name in (None, each.spec.family)]
    if fits is None:
        return asked, 0
    shown = [each for each in asked if fits in _fitting(each, found)]
    return shown, sum(serving_need(each.spec) is None for each in asked)


def _fitting(entry: Entry, found: CatalogView) -> list[str]:
    if entry.spec.family is None:
        return []
    places = found.places(entry.spec, verb=Verb.SERVE, need=serving_need(entry.spec))
    return sorted(each.pool for each in places if each.fits)


def apis_of(entry: Entry) -> tuple[str, ...]:
    """Paths under which a service of it answers; those that all have are left out."""
    if entry.spec.family is None:
        return ()
    kind, sizes = family(entry.spec.family.value), entry.spec.architecture
    found = kind.apis_of(
        entry.spec.task or kind.task,
        chat_template=sizes.chat_template if sizes else None,
        translates=sizes.translates if sizes else None,
    )
    return tuple(path for path in found if path != "/v1/models")


def facts(entry: Entry, found: CatalogView) -> Object:
    """An entry as plain figures; what is not known is null."""
    spec, need = entry.spec, serving_need(entry.spec)
    architecture, memory = spec.architecture, spec.memory
    return {
        "name": entry.name,
        "displayName": spec.display_name,
        "description": spec.description,
        "family": spec.family.value if spec.family else None,
        "task": spec.task,
        "license": spec.license,
        "gated": spec.gated,
        "acceptedLicense": spec.accepted_license,
        "languages": list(spec.languages),
        "apis": list(apis_of(entry)),
        "repository": entry.repository,
        "parameters": architecture.parameters if architecture else None,
        "contextLength": architecture.context_length if architecture else None,
        "weightsBytes": memory.weights_bytes if memory else None,
        "servingBytes": need.device if need else None,
        "servingBytesOnCores": need.cores if need else None,
        "fits": _fitting(entry, found),
        "state": entry.state or None,
        "tuning": spec.tuning.model_dump(mode="json", by_alias=True, exclude_none=True) if spec.tuning else None,
        "sampleRequest": sample(entry),
    }


def sample(entry: Entry) -> Object | None:
    """A request that it answers, with the files' contents left out."""
    spec = entry.spec
    if spec.sample_request is not None:
        return {"path": spec.sample_request.path, "body": json.loads(spec.sample_request.body)}
    if spec.family is None or not family(spec.family.value).serving.available:
        return None
    usual = family(spec.family.value).sample_request()
    return {"path": usual.path, "body": usual.body} | ({"files": [f.name for f in usual.files]} if usual.files else {})


def rows_of(shown: Sequence[Entry], found: CatalogView) -> list[tuple[str, ...]]:
    """Entries for people, in ``COLUMNS``."""
    return [_row(entry, found) for entry in shown]


def _row(entry: Entry, found: CatalogView) -> tuple[str, ...]:
    spec, need = entry.spec, serving_need(entry.spec)
    return (
        entry.name,
        spec.family.value if spec.family else "",
        count(spec.architecture.parameters if spec.architecture else None),
        f"{spec.license} (gated)" if spec.gated and spec.accepted_license is None else spec.license,
        " ".join(apis_of(entry)),
        quantities.show_bytes(need.device) if need else "",
        " ".join(_fitting(entry, found)),
        " ".join(spec.tuning.methods) if spec.tuning else "",
        entry.state,
    )


def count(number: int | None) -> str:
    """Parameters for people: 135M, 8.03B."""
    if number is None:
        return ""
    rounded = int(float(f"{number:.3g}"))
    for unit, name in _UNITS:
        if rounded >= unit:
            return f"{rounded / unit:.3g}{name}"
    return str(number)


def details(entry: Entry, found: CatalogView) -> Iterator[str]:
    """Everything about one entry, as lines."""
    spec, need = entry.spec, serving_need(entry.spec)
    yield f"{entry.name}: {spec.display_name or entry.name}"
    if spec.description:
        yield spec.description.strip()
    yield ""
    architecture = spec.architecture
    context = architecture.context_length if architecture else None
    rows = {
        "family": spec.family.value if spec.family else "",
        "parameters": f"{architecture.parameters:,}" if architecture and architecture.parameters else "",
        "context": f"{context:,} tokens" if context else "",
        "languages": " ".join(spec.languages),
        "licence": spec.license,
        "source": f"hub repository {entry.repository}" if entry.repository else _source(entry),
        "APIs": " ".join(apis_of(entry)),
        "to serve": _memory(need.device, need.cores) if need else "",
        "state": entry.state,
    }
    yield from (f"{name:<12}{text}" for name, text in rows.items() if text)
    if gate := gate_sentence(entry):
        yield f"{'':<12}{gate}"
    if spec.family is not None:
        for each in found.places(spec, verb=Verb.SERVE, need=need):
            yield f"{'pool':<12}{each.pool}: {'fits' if each.fits else 'does not fit'}, {each.reason}"
    yield from _tuning(entry)
    yield from _sample(entry)
    yield ""
    yield f"hostler use {entry.name}"
    if spec.tuning is not None:
        yield f"hostler tune {entry.name} --dataset NAME"


def _source(entry: Entry) -> str:
    source = entry.spec.artifacts.source
    return f"claim {source.pvc.claim_name} of the namespace" if source.pvc else source.member


def _memory(device: int, cores: int) -> str:
    return f"about {quantities.show_bytes(device)} of an accelerator, or {quantities.show_bytes(cores)} on cores"


def gate_sentence(entry: Entry) -> str:
    """What has to be done before a gated entry can be used; empty where nothing has."""
    spec = entry.spec
    if not spec.gated or spec.accepted_license is not None:
        return ""
    page = f" at https://huggingface.co/{entry.repository}" if entry.repository else ""
    return (
        f"it is given out under the licence {spec.license} to those who accept it: read it{page}, ask for access "
        f"there, then have an administrator name {spec.license} in catalog.acceptedLicenses and a Secret with HF_TOKEN "
        "in catalog.tokenSecret of the chart's values"
    )


def _tuning(entry: Entry) -> Iterator[str]:
    if entry.spec.tuning is None:
        return
    for name, method in entry.spec.tuning.methods.items():
        need = tuning_need(entry.spec, method)
        size = f", about {quantities.show_bytes(need.device)} with these defaults" if need else ""
        yield ""
        yield f"tune, method {name}{size}"
        yield f"  rows with {' or '.join(method.data.rows)}, as {', '.join(form.value for form in method.data.formats)}"
        for parameter, bounds in ranges(method):
            yield f"  {parameter:<22}{bounds.default:<10} {bounds.min} to {bounds.max}"


def _sample(entry: Entry) -> Iterator[str]:
    request = sample(entry)
    if request is None:
        return
    yield ""
    yield "ask, once kubectl port-forward leads to its Service"
    body = {"model": entry.name, **request["body"]}
    if "files" in request:
        fields = " ".join(f"-F {name}={value}" for name, value in body.items())
        yield f"  curl -s localhost:8000{request['path']} {fields} -F file=@recording.wav"
        return
    if "steps" in body:
        # What makes a replica Ready is few steps of no subject, which show noise.
        del body["steps"]
        body |= {"prompt": _PROMPT} if entry.repository else {}
    quoted = json.dumps(body).replace("'", "'\\''")
    file = _FILES.get(request["path"], "")
    yield f"  curl -s localhost:8000{request['path']} -H 'content-type: application/json' -d '{quoted}'{file}"
