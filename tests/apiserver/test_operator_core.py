"""The operator's core against a real API server: what it knows, what it writes, who leads, how it ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest
from apiserver.conftest import GIVEN
from apiserver.operating import Breaker, Running, children, operating, until
from builders import make_training_job
from kubeclient import KubeClient, Object
from patience import PATIENCE
from ports import free_port

from hostler.cluster import client as client_module
from hostler.cluster.client import Client
from hostler.cluster.connection import connect
from hostler.cluster.errors import Conflict, Invalid, NotFound, Taken, Unavailable
from hostler.cluster.resources import resource_of
from hostler.operator.settings import OperatorSettings
from hostler.operator.shell import Operator

OURS = {"app.kubernetes.io/managed-by": "hostler"}
pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


def make_service(name: str, *, labels: dict[str, str] | None = None) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}


def post(api: KubeClient, path: str, body: Object) -> Object:
    answer = api.http.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


async def test_the_watches_feed_the_store(api: KubeClient, namespace: str, kubeconfig: Path) -> None:
    post(api, services(namespace), make_service("before", labels=OURS))
    async with operating(kubeconfig, namespace) as running:
        store = running.store
        assert store.get("Service", namespace=namespace, name="before") is not None
        post(api, services(namespace), make_service("after", labels=OURS))
        post(api, services(namespace), make_service("strange"))
        await until(lambda: store.get("Service", namespace=namespace, name="after"), what="the new Service")
        api.delete(f"{services(namespace)}/before")
        await until(lambda: not store.get("Service", namespace=namespace, name="before"), what="the deletion")
        assert store.get("Service", namespace=namespace, name="strange") is None, "only our children are kept"
        node = f"node-{namespace}"
        post(api, "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
        await until(lambda: store.get("Node", name=node), what="a cluster-scoped object")
        api.delete(f"/api/v1/nodes/{node}")


async def test_pods_of_other_namespaces_are_seen_and_nothing_else_of_them(
    api: KubeClient, namespace: str, kubeconfig: Path
) -> None:
    async with operating(kubeconfig, "default", watch_namespaces=(namespace,), lease=namespace) as running:
        store = running.store
        post(api, services("default"), make_service(namespace, labels=OURS))
        pod = {"containers": [{"name": "c", "image": "none"}]}
        pods = "/api/v1/namespaces/default/pods"
        for prefix in ("one", "two"):
            name = f"{prefix}-{namespace}"
            post(api, pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod})
            await until(lambda name=name: store.get("Pod", namespace="default", name=name), what="a stranger's pod")
            api.http.delete(f"{pods}/{name}", params={"gracePeriodSeconds": "0"})
            await until(lambda name=name: not store.get("Pod", namespace="default", name=name), what="its end")
        assert store.get("Service", namespace="default", name=namespace) is None
        api.delete(f"{services('default')}/{namespace}")


async def test_what_others_do_to_a_child_is_undone(api: KubeClient, namespace: str, kubeconfig: Path) -> None:
    async with operating(kubeconfig, namespace) as running:
        made = post(api, trainingjobs(namespace), make_training_job("j", namespace=namespace))
        await until(lambda: running.store.get("Deployment", namespace=namespace, name="j-0"), what="the children")
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/j-0"
        before = api.get(path).json()
        api.http.patch(path, json={"spec": {"replicas": 3}}, headers={"Content-Type": "application/merge-patch+json"})
        await until(lambda: api.get(path).json()["spec"]["replicas"] == 0, what="the edit to be undone")
        service = f"{services(namespace)}/j-0"
        wider = {"spec": {"selector": {"more": "x"}}}
        api.http.patch(service, json=wider, headers={"Content-Type": "application/merge-patch+json"})
        await until(
            lambda: api.get(service).json()["spec"]["selector"] == {"app": "toy"}, what="the addition to be removed"
        )
        api.delete(path)
        again = await until(
            lambda: next((d for d in [api.get(path).json()] if d["kind"] == "Deployment"), None), what="a new one"
        )
        assert again["metadata"]["uid"] != before["metadata"]["uid"]
        assert again["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


def trainingjobs(namespace: str) -> str:
    return f"/apis/hostler.dev/v1alpha1/namespaces/{namespace}/trainingjobs"


async def reconciled(running: Running, api: KubeClient, namespace: str) -> dict[str, str]:
    """Have one TrainingJob with all its children; returns the resourceVersions of everything."""
    if not api.get(f"{trainingjobs(namespace)}/j").is_success:
        post(api, trainingjobs(namespace), make_training_job("j", namespace=namespace))
    await until(lambda: running.toy.reconciled, what="a reconcile")
    await running.quiet()
    return await settled(running, api, namespace)


async def settled(running: Running, api: KubeClient, namespace: str) -> dict[str, str]:
    """The resourceVersions once the other controllers have said what they have to say."""
    paths = {
        "TrainingJob": f"{trainingjobs(namespace)}/j",
        "ConfigMap": f"/api/v1/namespaces/{namespace}/configmaps/j-0",
        "Service": f"/api/v1/namespaces/{namespace}/services/j-0",
        "Job": f"/apis/batch/v1/namespaces/{namespace}/jobs/j-0",
        "Deployment": f"/apis/apps/v1/namespaces/{namespace}/deployments/j-0",
    }
    seen: dict[str, str] = {}
    for _ in range(100):
        now = {kind: api.get(path).json()["metadata"]["resourceVersion"] for kind, path in paths.items()}
        if now == seen:
            return seen
        seen = now
        await asyncio.sleep(0.5)
        await running.quiet()
    raise AssertionError(f"the objects never come to rest: {seen}")


async def test_fifty_resyncs_write_nothing(api: KubeClient, namespace: str, kubeconfig: Path) -> None:
    async with operating(kubeconfig, namespace) as running:
        versions = await reconciled(running, api, namespace)
        writes, looked = running.writes(), len(running.toy.reconciled)
        assert writes == len(children_of(running, namespace)) + 1, "each child once, and one status"
        for _ in range(50):
            running.operator.dispatcher.enqueue_all()
            await running.quiet()
        # The watch may tell of the last child's creation only now, and whoever has written it looks once more.
        assert 50 <= len(running.toy.reconciled) - looked <= 51
        assert running.writes() == writes
        assert await settled(running, api, namespace) == versions


def children_of(running: Running, namespace: str) -> list[Object]:
    owner = running.store.get("TrainingJob", namespace=namespace, name="j")
    assert owner is not None
    return children(owner)


async def test_a_restarted_operator_writes_nothing(api: KubeClient, namespace: str, kubeconfig: Path) -> None:
    async with operating(kubeconfig, namespace) as running:
        versions = await reconciled(running, api, namespace)
    async with operating(kubeconfig, namespace) as running:
        assert await reconciled(running, api, namespace) == versions
        assert running.writes() == 0


async def test_a_full_list_finds_what_a_broken_watch_has_missed(
    api: KubeClient, namespace: str, kubeconfig: Path
) -> None:
    """The hole of every list-and-watch: after 410 Gone kopf lists what is there, and is silent about what is not."""
    connection = await connect(kubeconfig)
    breaker = Breaker(connection)
    await breaker.start()
    through = await connect(kubeconfig)
    through.configuration.host = f"http://127.0.0.1:{breaker.port}"
    try:
        post(api, services(namespace), make_service("kept", labels=OURS))
        post(api, services(namespace), make_service("vanishing", labels=OURS))
        async with operating(kubeconfig, namespace, connection=through) as running:
            store = running.store
            assert store.get("Service", namespace=namespace, name="vanishing") is not None
            await breaker.cut("services")
            api.delete(f"{services(namespace)}/vanishing")
            await asyncio.sleep(0.5)
            assert store.get("Service", namespace=namespace, name="vanishing") is not None, "nobody can know yet"
            breaker.heal("services")
            await until(lambda: not store.get("Service", namespace=namespace, name="vanishing"), what="the sweep")
            assert store.get("Service", namespace=namespace, name="kept") is not None
            assert running.operator.monitor.restarts()["Service"] == 1
            swept = running.operator.metrics.registry.get_sample_value(
                "hostler_operator_sweep_deletions_total", {"kind": "Service"}
            )
            assert swept == 1, "kopf alone would not have found it; if it does, the sweep on a new list may go"
    finally:
        await breaker.stop()


async def test_a_lease_that_somebody_deletes_is_written_anew_and_costs_no_lead(
    api: KubeClient, namespace: str, kubeconfig: Path
) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/hostler-operator"
    async with operating(kubeconfig, namespace) as running:
        for _ in range(3):
            before = api.get(path).json()
            api.delete(path)
            again = await until(lambda: next((x for x in [api.get(path).json()] if "spec" in x), None), what="a Lease")
            assert running.operator.lease.leading
            assert again["metadata"]["uid"] != before["metadata"]["uid"]
            for field in ("holderIdentity", "leaseTransitions", "acquireTime"):
                assert again["spec"][field] == before["spec"][field], "it is the same lead"


async def test_a_name_that_belongs_to_a_user_is_not_taken_over(
    api: KubeClient, namespace: str, kubeconfig: Path
) -> None:
    theirs = post(api, services(namespace), make_service("j-0"))
    async with operating(kubeconfig, namespace) as running:
        post(api, trainingjobs(namespace), make_training_job("j", namespace=namespace))
        key = await until(lambda: next(iter(running.operator.queue._failures), None), what="the failure")
        assert key.name == "j"
        with pytest.raises(Taken, match=f"Service {namespace}/j-0 exists and was not made by Hostler"):
            await running.toy.reconcile(key)
    now = api.get(f"{services(namespace)}/j-0").json()
    assert now["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]


async def test_events_are_written_and_counted_up(api: KubeClient, namespace: str, kubeconfig: Path) -> None:
    async with operating(kubeconfig, namespace) as running:
        await reconciled(running, api, namespace)
        about = running.store.get("TrainingJob", namespace=namespace, name="j")
        assert about is not None
        for _ in range(3):
            await running.operator.writer.event(about, reason="Started", message="two pods run")
        await running.operator.events.flush()
    found = api.get(f"/api/v1/namespaces/{namespace}/events").json()["items"]
    ours = [event for event in found if event["source"].get("component") == "hostler-operator"]
    assert [(e["reason"], e["message"], e["count"], e["involvedObject"]["name"]) for e in ours] == [
        ("Started", "two pods run", 3, "j")
    ]


async def test_the_probes_and_metrics_of_a_leader(api: KubeClient, namespace: str, kubeconfig: Path) -> None:
    async with operating(kubeconfig, namespace) as running, httpx.AsyncClient() as http:
        await reconciled(running, api, namespace)
        settings = running.operator.settings
        for probe in ("healthz", "readyz"):
            answer = await http.get(f"http://127.0.0.1:{settings.probes_port}/{probe}")
            assert (answer.status_code, answer.text) == (200, "ok\n")
        text = (await http.get(f"http://127.0.0.1:{settings.metrics_port}/metrics")).text
    for line in (
        "hostler_operator_leader 1.0",
        'hostler_operator_watch_restarts_total{kind="Pod"} 0.0',
        'hostler_operator_store_objects{kind="TrainingJob"} 1.0',
        'hostler_trainingjobs{state="Unknown"} 1.0',
    ):
        assert line in text
    assert 'hostler_operator_reconcile_total{kind="TrainingJob",result="success"}' in text
    assert 'hostler_operator_watch_age_seconds{kind="Node"}' in text


@pytest.fixture
async def client(kubeconfig: Path) -> Client:
    return Client(await connect(kubeconfig))


async def test_lists_come_in_pages(
    api: KubeClient, namespace: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        post(api, services(namespace), make_service(f"s{number}"))
    monkeypatch.setattr(client_module, "PAGE", 2)
    listing = await client.list(resource_of("Service"), namespace=namespace)
    assert [item["metadata"]["name"] for item in listing.items] == [f"s{number}" for number in range(5)]
    assert {(item["kind"], item["apiVersion"]) for item in listing.items} == {("Service", "v1")}
    assert listing.resource_version >= max(int(item["metadata"]["resourceVersion"]) for item in listing.items)
    await client.close()


async def test_the_servers_own_sentences(api: KubeClient, namespace: str, client: Client) -> None:
    service = post(api, services(namespace), make_service("s"))
    wrong = make_service("s")
    wrong["metadata"]["namespace"] = namespace
    with pytest.raises(NotFound, match='services "none" not found'):
        await client.get(resource_of("Service"), namespace=namespace, name="none")
    with pytest.raises(Conflict, match="already exists"):
        await client.create(wrong)
    with pytest.raises(Invalid, match=r"unknownField"):
        await client.apply({**wrong, "spec": {"ports": [{"port": 80, "unknownField": 1}]}})
    with pytest.raises(Conflict, match="UID in the precondition"):
        await client.delete(resource_of("Service"), namespace=namespace, name="s", uid="another")
    with pytest.raises(Invalid):
        await client.replace_status(
            resource_of("Service"),
            namespace=namespace,
            name="s",
            uid="another",
            resource_version=service["metadata"]["resourceVersion"],
            status={},
            timeout=PATIENCE,
        )
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.replace_status(
            resource_of("Service"),
            namespace=namespace,
            name="s",
            uid=service["metadata"]["uid"],
            resource_version="1",
            status={},
            timeout=PATIENCE,
        )
    await client.delete(resource_of("Service"), namespace=namespace, name="s", uid=service["metadata"]["uid"])
    assert api.get(f"{services(namespace)}/s").status_code == 404
    await client.close()


async def test_a_server_that_is_not_there_is_named_without_a_traceback(kubeconfig: Path) -> None:
    connection = await connect(kubeconfig)
    connection.configuration.host = f"http://127.0.0.1:{free_port()}"
    client = Client(connection)
    with pytest.raises(Unavailable, match=r"GET /api/v1/nodes failed: Cannot connect"):
        await client.list(resource_of("Node"))
    await client.close()


async def test_rights_that_are_missing_are_named_instead_of_waited_for_in_silence(
    api: KubeClient, namespace: str, kubeconfig: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An account that may do all in its namespace, and read our kinds: a role without the ClusterRole for reading."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    post(api, accounts, {"metadata": {"name": "o"}})
    token = post(api, f"{accounts}/o/token", {"spec": {}})["status"]["token"]
    connection = await connect(kubeconfig)
    connection.configuration.api_key = {"BearerToken": token}
    connection.configuration.api_key_prefix = {"BearerToken": "Bearer"}
    connection.configuration.cert_file = connection.configuration.key_file = None
    settings = OperatorSettings(
        train_image="t", serve_image="s", variant_images={}, namespace=namespace, watch_namespaces=(namespace,),
        identity="o", metrics_port=free_port(), probes_port=free_port(),
    )  # fmt: skip
    operator = Operator(settings, connection=connection, build=lambda *_, **__: [])
    task = asyncio.create_task(operator.run())
    await until(lambda: "must be readable in the whole cluster" in caplog.text, what="the sentence")
    assert not task.done(), "the role may be on its way"
    operator.finish(0)
    assert await asyncio.wait_for(task, 15) == 0
