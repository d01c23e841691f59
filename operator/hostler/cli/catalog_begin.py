"""`hostler use` and `hostler tune`: from an entry of the catalog to a service, or to a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from hostler.accelerators import Verb
from hostler.api.inferenceservice import NAME_LIMIT
from hostler.api.tuning import TuningMethod
from hostler.cli.catalog import gate_sentence
from hostler.cli.catalogview import CatalogView, Entry, SeenPool, ask_cluster, read_catalog, sources
from hostler.cli.names import SUBDOMAIN_LIMIT, ObjectName
from hostler.cli.tuningdata import Data, LocalFile, read_data
from hostler.cluster.client import Client
from hostler.cluster.errors import Conflict
from hostler.families import family
from hostler.manifests.fromcatalog import Placing, job_from, service_from
from hostler.manifests.yamltext import to_yaml_documents
from hostler.planning.catalog import (
    MOST_PROCESSES,
    Need,
    Place,
    choose,
    host_memory,
    processes_to_shard,
    serving_need,
    shared_out,
    tuning_need,
    whole_gibibytes,
    workspace_bytes,
)
from hostler.planning.quantities import show_bytes
from hostler.planning.tuning import ChoiceError, Value, chosen
from hostler_contract.job import DataFormat

Object = dict[str, Any]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_CHILD_NAMER = ObjectName(limit=NAME_LIMIT, letter=True)
"""Services and jobs name children after themselves, among them Services of Kubernetes."""


def _options(command: Decorated) -> Decorated:
    """What both take."""
    for option in (
        sources,
        click.option("--dry-run", is_flag=True, help="Print the manifest, and create nothing."),
        click.option(
            "-n", "--namespace", type=ObjectName(), default="default", show_default=True,
            help="Namespace of what is made.",
        ),
        click.option("--name", type=_CHILD_NAMER, help="Name of what is made."),
        click.option("--pool", type=ObjectName(), help="AcceleratorPool.  [default: the only one that it fits into]"),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("entry")
@_options
def use(
    entry: str,
    *,
    pool: str | None,
    name: str | None,
    namespace: str,
    dry_run: bool,
    kubeconfig: Path | None,
    offline: bool,
) -> None:
    """Serve an entry of the catalog: make an InferenceService."""
    _check_offline(offline=offline, dry_run=dry_run)
    found = read_catalog(kubeconfig=kubeconfig, offline=offline)
    taken = _usable(found.entry(entry))
    need = serving_need(taken.spec)
    where = _pool(found, taken, verb=Verb.SERVE, need=need, wanted=pool)
    placing = Placing(
        name=name or fitting_name(taken.name),
        namespace=namespace,
        pool=where,
        memory=_memory(found, where, need),
        cpu=_cpu(found, where),
    )
    _make([service_from(taken.name, placing)], dry_run=dry_run, kubeconfig=kubeconfig)
    if not dry_run:
        click.echo(
            f"kubectl -n {namespace} get inferenceservice {placing.name}   # its files come first; then it answers"
        )
        click.echo(f"hostler catalog {taken.name}   # what to ask it")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("entry")
@click.option("--dataset", required=True, help="Dataset of the namespace, or the path of a file or directory here.")
@click.option("--method", help="lora, full or preference, as far as the entry has it.  [default: its first]")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A hyperparameter, such as steps=500.")
@click.option(
    "--accelerators",
    type=click.IntRange(1, MOST_PROCESSES),
    default=1,
    show_default=True,
    help="Accelerators of one node over which weights that are too large for one are spread.",
)
@click.option(
    "--claim",
    type=ObjectName(limit=SUBDOMAIN_LIMIT, dots=True),
    help="Claim that holds the path of --dataset below its root: a Dataset is made of it.",
)
@click.option("--format", type=click.Choice(get_args(DataFormat)), help="Of a path; guessed from names if absent.")
@click.option("--column", "columns", multiple=True, metavar="ROLE=NAME", help="Of a path: column that plays a role.")
@_options
def tune(
    entry: str,
    *,
    dataset: str,
    method: str | None,
    settings: tuple[str, ...],
    accelerators: int,
    claim: str | None,
    format: DataFormat | None,
    columns: tuple[str, ...],
    pool: str | None,
    name: str | None,
    namespace: str,
    dry_run: bool,
    kubeconfig: Path | None,
    offline: bool,
) -> None:
    """Tune an entry of the catalog on your data: make a TrainingJob, whose Model can then be served."""
    _check_offline(offline=offline, dry_run=dry_run)
    found = read_catalog(kubeconfig=kubeconfig, offline=offline)
    taken = _usable(found.entry(entry))
    how_name, how = _method(taken, method)
    try:
        values = chosen(how, _settings(settings))
    except ChoiceError as error:
        raise click.ClickException(f"{taken.name}, method {how_name}: {error}") from error
    values = _shared_out(taken, values, accelerators=accelerators)
    need = tuning_need(taken.spec, how, values, processes=accelerators)
    smaller = _smaller(taken, how_name, how, values)
    where = _pool(found, taken, verb=Verb.TRAIN, need=need, wanted=pool, smaller=smaller)
    file = LocalFile(given=dataset, claim=claim, format=format, columns=columns)
    data = read_data(
        file, family=taken.spec.known_family.value, method=how, namespace=namespace,
        kubeconfig=None if offline else kubeconfig, ask=not offline, dry_run=dry_run,
    )  # fmt: skip
    size = workspace_bytes(taken.spec, how)
    placing = Placing(
        name=name or fitting_name(taken.name, ending="-tuned"),
        namespace=namespace,
        pool=where,
        memory=_memory(found, where, need),
        cpu=_cpu(found, where),
        storage=whole_gibibytes(size) if size else None,
        accelerators=accelerators,
    )
    job = job_from(taken.name, taken.spec, how, values=values, dataset=data.name, placing=placing)
    _make([*data.manifests, job], dry_run=dry_run, kubeconfig=kubeconfig)
    _next_steps(placing, data, dry_run=dry_run)


def fitting_name(entry: str, *, ending: str = "") -> str:
    """The entry's name as that of a service or job: it begins with a letter, and leaves room for children's."""
    start = entry if entry[0].isalpha() else f"model-{entry}"
    return f"{start[: NAME_LIMIT - len(ending)].rstrip('-')}{ending}"


def _next_steps(placing: Placing, data: Data, *, dry_run: bool) -> None:
    if data.remark:
        click.echo(data.remark, err=True)
    if not dry_run:
        click.echo(f"kubectl -n {placing.namespace} get trainingjob {placing.name}   # puts out Model {placing.name}")


def _check_offline(*, offline: bool, dry_run: bool) -> None:
    if offline and not dry_run:
        raise click.UsageError("--offline makes nothing in a cluster: add --dry-run to see the manifest")


def _usable(entry: Entry) -> Entry:
    if entry.spec.family is None:
        raise click.ClickException(
            f"entry {entry.name} does not say its family, and it is in no namespace whose files would: set spec.family"
        )
    if gate := gate_sentence(entry):
        raise click.ClickException(f"entry {entry.name} cannot be used yet: {gate}")
    return entry


def _method(entry: Entry, wanted: str | None) -> tuple[str, TuningMethod]:
    methods = entry.spec.tuning.methods if entry.spec.tuning else {}
    if not methods:
        raise click.ClickException(
            f"entry {entry.name} does not say how to tune it: write a TrainingJob with base {entry.name}"
        )
    if wanted is None:
        return next(iter(methods.items()))
    if wanted not in methods:
        raise click.ClickException(f"entry {entry.name} has no method {wanted!r}: it has {', '.join(methods)}")
    return wanted, methods[wanted]


def _shared_out(entry: Entry, values: Mapping[str, Value], *, accelerators: int) -> dict[str, Value]:
    """The hyperparameters with which each accelerator has its part of a batch. Raises ``ClickException``."""
    if accelerators == 1:
        return dict(values)
    if not family(entry.spec.known_family.value).shards:
        raise click.ClickException(
            f"the networks of family {entry.spec.known_family.value} cannot be spread: leave --accelerators out"
        )
    parts = shared_out(values, processes=accelerators)
    if parts is None:
        raise click.ClickException(
            f"a batchSize of {values['batchSize']} cannot be shared out over {accelerators} accelerators: "
            f"--set batchSize={accelerators} or a multiple of it"
        )
    return {**values, "gradientAccumulation": parts}


def _settings(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name or not value:
            raise click.BadParameter(f"{each!r} is not of the form NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


def _pool(
    found: CatalogView,
    entry: Entry,
    *,
    verb: Verb,
    need: Need | None,
    wanted: str | None,
    smaller: Callable[[Place, SeenPool], str] = lambda *_: "",
) -> str:
    """The pool that is named, or the only one that takes it. Raises ``ClickException`` with what each is for it.
    ``smaller`` says how it could be made to fit into one that is too small."""
    if wanted is not None and not found.pools:
        return wanted  # offline, or made later
    if not found.pools:
        raise click.ClickException("no AcceleratorPool is known here: name one with --pool (docs/concepts/pools.md)")
    places = {each.pool: each for each in found.places(entry.spec, verb=verb, need=need)}
    if wanted is not None:
        if wanted not in places:
            raise click.ClickException(
                f"there is no AcceleratorPool {wanted}: the pools are {', '.join(sorted(places))}"
            )
        if not places[wanted].possible:
            raise click.ClickException(f"pool {wanted} does not {verb.value} {entry.name}: {places[wanted].reason}")
        if not places[wanted].fits:
            way = smaller(places[wanted], found.pools[wanted])
            click.echo(f"{entry.name} may not fit into pool {wanted}: {places[wanted].reason}{way}", err=True)
        return wanted
    candidates = choose(places.values(), unknown=need is None)
    if len(candidates) == 1:
        return candidates[0].pool
    if candidates:
        each = "; ".join(f"{one.pool} ({one.reason})" for one in candidates)
        raise click.ClickException(f"several pools take {entry.name}: name one with --pool: {each}")
    each = "; ".join(f"{one.pool}: {one.reason}{smaller(one, found.pools[one.pool])}" for one in places.values())
    raise click.ClickException(f"no pool takes {entry.name}. {each}")


def _smaller(
    entry: Entry, method: str, how: TuningMethod, values: Mapping[str, Value]
) -> Callable[[Place, SeenPool], str]:
    """What would let an entry be tuned in a pool whose accelerators are too small for it."""
    methods = entry.spec.tuning.methods if entry.spec.tuning else {}

    def ways(place: Place, seen: SeenPool) -> str:
        if not place.possible or place.fits:
            return ""
        told = []
        if "lora" in methods and method != "lora" and how.rank is None:
            need = tuning_need(entry.spec, methods["lora"])
            told.append(f"--method lora needs less{f' ({show_bytes(need.device)})' if need else ''}")
        if count := processes_to_shard(entry.spec, how, values, pool=seen.pool):
            told.append(f"--accelerators {count} spreads it over as many of a node (training.parallelism: sharded)")
        return "".join(f"; {way}" for way in told)

    return ways


def _memory(found: CatalogView, pool: str, need: Need | None) -> str | None:
    seen = found.pools.get(pool)
    if seen is None:
        return None if need is None else whole_gibibytes(need.host)
    return host_memory(seen.pool, need, simulated=seen.simulated)


def _cpu(found: CatalogView, pool: str) -> str:
    """Cores of a pod. A simulated device is on a small machine, whose nodes have none to spare."""
    seen = found.pools.get(pool)
    return "1" if seen is not None and seen.simulated else "2"


def _make(manifests: Sequence[Object], *, dry_run: bool, kubeconfig: Path | None) -> None:
    """Print, or create them in their order. Raises ``ClickException``."""
    if dry_run:
        click.echo(to_yaml_documents(manifests), nl=False)
        return

    async def create(client: Client) -> None:
        for each in manifests:
            kind, name = each["kind"], each["metadata"]["name"]
            try:
                await client.create(each)
            except Conflict as error:
                way = "name another with --name" if kind != "Dataset" else f"give it as --dataset {name}"
                raise click.ClickException(f"{kind} {name} exists already: {way}, or delete it") from error
            click.echo(f"{kind} {name} is made in namespace {each['metadata']['namespace']}")

    ask_cluster(kubeconfig, create)
