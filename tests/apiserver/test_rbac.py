"""The roles on a real API server: what the operator asks for is granted, and nothing else is.

Two ways to look at it: the operator runs a whole scenario with its own account and everything that it asks for is
compared with the table in both directions; and the API server is asked what the account may do.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from apiserver.conftest import GIVEN
from apiserver.fakenode import FakeNode, fake_node
from apiserver.operating import until
from apiserver.recording import Recorder, Request, connection_as, requests_of, token_of
from builders import make_cluster_model, make_dataset, make_inference_service, make_pool, make_training_job
from kubeclient import MERGE, KubeClient, Object, eventually
from ports import free_port
from world import success

from hostler.controllers.all import build_controllers
from hostler.manifests.rbac import OPERATOR_GRANTS, POLICY_GRANTS, Scope, operator_roles, policy_roles
from hostler.operator.settings import OperatorSettings
from hostler.operator.shell import Operator
from hostler_contract import DatasetReport

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}
GPU = "nvidia.com/gpu"
Granted = tuple[str, str, str]
"""Group, resource and verb."""

RARE: dict[Granted, str] = {
    ("", "events", "list"): "asked why the pods of a Job are refused, once they have not come for some time",
    ("", "events", "patch"): "an Event that repeats within ten minutes is counted up",
    ("hostler.dev", "acceleratorpools", "get"): "asked after a status write was answered as invalid",
    ("hostler.dev", "clustermodels", "get"): "the same",
    ("hostler.dev", "datasets", "get"): "the same",
    ("hostler.dev", "inferenceservices", "get"): "the same",
    ("hostler.dev", "trainingjobs", "get"): "the same",
}
"""What the operator may do and the scenario cannot make it do in every run."""


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


@contextmanager
def applied(api: KubeClient, roles: Iterable[Object]) -> Iterator[None]:
    """Roles for the time of a block."""
    paths = []
    for role in roles:
        inside = f"/namespaces/{role['metadata']['namespace']}" if "namespace" in role["metadata"] else ""
        path = f"{RBAC}{inside}/{PLURALS[role['kind']]}/{role['metadata']['name']}"
        answer = api.apply(path, role)
        assert answer.is_success, answer.text
        paths.append(path)
    try:
        yield
    finally:
        for path in paths:
            api.delete(path)


class Stage:
    """A namespace in which the operator works with its own account, seen by an administrator."""

    def __init__(self, api: KubeClient, namespace: str, node: FakeNode, recorder: Recorder) -> None:
        self.api, self.namespace, self.node, self.recorder = api, namespace, node, recorder

    def create(self, manifest: Object) -> None:
        answer = self.api.create(manifest)
        assert answer.is_success, answer.text

    def path(self, plural: str, name: str) -> str:
        return f"/apis/hostler.dev/v1alpha1/namespaces/{self.namespace}/{plural}/{name}"

    def patch(self, plural: str, name: str, spec: Object) -> None:
        answer = self.api.http.patch(self.path(plural, name), json={"spec": spec}, headers={"Content-Type": MERGE})
        assert answer.is_success, answer.text

    async def reaches(self, plural: str, name: str, reason: str) -> None:
        """Wait until Ready has this reason."""

        def reached() -> bool:
            found = self.api.get(self.path(plural, name)).json().get("status", {}).get("conditions", ())
            return any(c["type"] == "Ready" and c["reason"] == reason for c in found)

        try:
            await until(reached, what=f"{plural}/{name} to be {reason}")
        except AssertionError as error:
            refused = {request for request in self.recorder.requests if request.denied}
            status = self.api.get(self.path(plural, name)).json().get("status")
            raise AssertionError(f"{error}; refused: {sorted(refused)}; it has {status}") from None

    async def pods(self, count: int = 1, **labels: str) -> list[Object]:
        """Running pods with these labels of ours, as soon as there are that many."""

        def running() -> list[Object] | None:
            found = [pod for pod in self.node.pods(**labels) if pod["status"]["phase"] == "Running"]
            return found if len(found) == count else None

        return await until(running, what=f"pods of {labels}")


@asynccontextmanager
async def staged(
    api: KubeClient, kubeconfig: Path, *, own: str, team: str, watched: tuple[str, ...]
) -> AsyncIterator[Stage]:
    """The operator in namespace ``own`` with the roles of the chart, a node and a pool for namespace ``team``."""
    token = token_of(api, namespace=own, account="hostler-operator")
    recorder = Recorder(await connection_as(kubeconfig, token))
    await recorder.start()
    connection = await connection_as(kubeconfig, token)
    connection.configuration.host = f"http://127.0.0.1:{recorder.port}"
    settings = OperatorSettings(
        train_image="registry/train:1",
        serve_image="registry/serve:1",
        variant_images={},
        namespace=own,
        watch_namespaces=watched,
        identity=uuid.uuid4().hex,
        progress_interval=1.0,
        workload_policies=True,
        metrics_port=free_port(),
        probes_port=free_port(),
    )
    operator = Operator(settings, connection=connection, build=build_controllers)
    roles = [*operator_roles(namespace=own, watched=watched), *policy_roles(namespace=own, watched=watched)]
    with applied(api, roles):
        async with fake_node(api, team, resource=GPU, devices=4) as node:
            task = asyncio.create_task(operator.run())
            try:
                await until(lambda: operator.lease.leading or task.done(), what="the operator to lead")
                assert api.create(make_pool(team)).is_success
                yield Stage(api, team, node, recorder)
            finally:
                operator.finish(0)
                await asyncio.wait_for(task, 15)
                await recorder.stop()
                api.delete(f"/apis/hostler.dev/v1alpha1/acceleratorpools/{team}")


async def life(stage: Stage) -> None:
    """A gang that is suspended, resumed and succeeds; its model served and changed; a dataset looked at twice;
    the job goes."""
    team, on_pool = stage.namespace, {"accelerators": {"pool": stage.node.name}}
    stage.create(make_training_job("tiny", namespace=team, pods={"min": 2, "max": 2}, **on_pool))
    await stage.pods(2, training_job="tiny", attempt="0")
    stage.patch("trainingjobs", "tiny", {"suspend": True})
    await until(lambda: not stage.node.pods(training_job="tiny"), what="the pods to go")
    stage.patch("trainingjobs", "tiny", {"suspend": False})
    trainers = await stage.pods(2, training_job="tiny", attempt="1")
    await stage.reaches("trainingjobs", "tiny", "Training")
    for trainer in trainers:
        stage.node.end(trainer, success())
    await stage.reaches("trainingjobs", "tiny", "Succeeded")
    await stage.reaches("models", "tiny", "ArtifactsAvailable")

    stage.create(make_inference_service("tiny", namespace=team, **on_pool))
    await stage.reaches("inferenceservices", "tiny", "Serving")
    stage.patch("inferenceservices", "tiny", {"serving": {"maxNewTokens": 64}})
    configs = f"/api/v1/namespaces/{team}/configmaps"

    def rolled_out() -> bool:
        names = [found["metadata"]["name"] for found in stage.api.get(configs).json()["items"]]
        gone = Request("", "configmaps", "delete", team)
        return gone in stage.recorder.requests and sum(name.startswith("tiny-") for name in names) >= 1

    await until(rolled_out, what="the file of the old revision to go")
    budget = f"/apis/policy/v1/namespaces/{team}/poddisruptionbudgets/tiny"
    stage.patch("inferenceservices", "tiny", {"pods": {"min": 2, "max": 2}})
    await until(lambda: stage.api.get(budget).is_success, what="the budget of two replicas")
    stage.patch("inferenceservices", "tiny", {"pods": {"min": 1, "max": 1}})
    await until(lambda: not stage.api.get(budget).is_success, what="the budget to go with the second")

    source = {"configMap": {"name": "text", "key": "text"}}
    stage.create(make_dataset("books", namespace=team, source=source, format="text", columns={}))
    (inspector,) = await stage.pods(dataset="books", generation="1")
    stage.node.end(inspector, _report("b"))
    await stage.reaches("datasets", "books", "Valid")
    stage.patch("datasets", "books", {"maxLength": 64})
    (inspector,) = await stage.pods(dataset="books", generation="2")
    stage.node.end(inspector, _report("c"))
    old = f"/apis/batch/v1/namespaces/{team}/jobs/books-inspect-1"
    await until(lambda: not stage.api.get(old).is_success, what="the first Job to go")

    job = f"/apis/hostler.dev/v1alpha1/namespaces/{team}/trainingjobs/tiny"
    stage.patch("trainingjobs", "tiny", {"ttlSecondsAfterFinished": 0})
    await until(lambda: not stage.api.get(job).is_success, what="the job to go when its time has passed")


def _report(letter: str) -> DatasetReport:
    return DatasetReport(rows=7, files=1, size_bytes=10, sha256=letter * 64, roles=["text"])


@pytest.fixture
def own(api: KubeClient) -> Iterator[str]:
    """The operator's own namespace, apart from the one in which it works."""
    name = f"own-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert api.http.post("/api/v1/namespaces", json=body).is_success
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def team(api: KubeClient, namespace: str) -> Iterator[str]:
    """A namespace with data, and a volume for the claim of a job named ``tiny``."""
    text = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text"}, "data": {"text": "some words"}}
    assert api.http.post(f"/api/v1/namespaces/{namespace}/configmaps", json=text).is_success
    spec = {
        "capacity": {"storage": "2Gi"},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": "/nowhere"},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": "tiny"},
    }
    volumes = "/api/v1/persistentvolumes"
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace}, "spec": spec}
    assert api.http.post(volumes, json=volume).is_success
    assert api.create(make_cluster_model(namespace)).is_success
    yield namespace
    api.delete(f"/apis/hostler.dev/v1alpha1/clustermodels/{namespace}")
    api.delete(f"{volumes}/{namespace}")


def granted(*scopes: Scope) -> set[Granted]:
    """What the table grants there."""
    chosen = [grant for grant in (*OPERATOR_GRANTS, *POLICY_GRANTS) if grant.scope in scopes]
    return {(grant.group, grant.resource, verb) for grant in chosen for verb in grant.verbs}


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize("named", [False, True], ids=["all namespaces", "one namespace"])
async def test_the_operator_uses_what_it_is_granted_and_is_refused_nothing(
    api: KubeClient, kubeconfig: Path, own: str, team: str, *, named: bool
) -> None:
    async with staged(api, kubeconfig, own=own, team=team, watched=(team,) if named else ()) as stage:
        await life(stage)
    asked = stage.recorder.requests
    refused = {(request.grant, request.namespace) for request in asked if request.denied}
    assert refused == set(), "grant it in manifests/rbac.py, or do not ask for it"
    used = {request.grant for request in asked}
    unused = granted(*Scope) - used - set(RARE)
    assert unused == set(), "nobody needs it: take it out of manifests/rbac.py"
    if named:
        elsewhere = {
            request.namespace
            for request in asked
            if request.grant in granted(Scope.WATCHED)
            and request.namespace not in (team, "default")
            # Ledgers are kept beside the Lease.
            and not (request.namespace == own and request.grant in granted(Scope.OWN))
        }
        assert elsewhere == set(), "with namespaces named, the operator looks at nothing but pods of others"


def test_what_is_rare_is_granted_at_all() -> None:
    assert set(RARE) <= granted(*Scope)


@pytest.mark.parametrize(
    ("method", "path", "watch", "status", "want"),
    [
        ("GET", "/api/v1/pods", False, 200, [("", "pods", "list", "")]),
        ("GET", "/api/v1/pods", True, 200, [("", "pods", "watch", "")]),
        ("GET", "/api/v1/namespaces/a/pods", False, 200, [("", "pods", "list", "a")]),
        ("GET", "/apis/batch/v1/namespaces/a/jobs/x", False, 200, [("batch", "jobs", "get", "a")]),
        ("PATCH", "/apis/batch/v1/namespaces/a/jobs/x", False, 200, [("batch", "jobs", "patch", "a")]),
        (
            "PATCH",
            "/apis/batch/v1/namespaces/a/jobs/x",
            False,
            201,
            [("batch", "jobs", "patch", "a"), ("batch", "jobs", "create", "a")],
        ),
        ("PATCH", "/apis/x.dev/v1/pools/p/status", False, 200, [("x.dev", "pools/status", "patch", "")]),
        ("DELETE", "/api/v1/namespaces/a/services/x", False, 200, [("", "services", "delete", "a")]),
        ("GET", "/apis/hostler.dev/v1alpha1", False, 200, []),
        ("GET", "/version", False, 200, []),
    ],
)
def test_a_request_is_read_as_the_roles_read_it(
    method: str, path: str, *, watch: bool, status: int, want: list[tuple[str, ...]]
) -> None:
    found = requests_of(method, path, watch=watch, status=status)
    assert [(*request.grant, request.namespace) for request in found] == want


class Access(NamedTuple):
    """One question to the API server; ``namespace`` is 'own' for the operator's, 'team' for one that it serves."""

    sentence: str
    verb: str
    group: str
    resource: str
    allowed: bool
    subresource: str = ""
    name: str = ""
    namespace: str = "team"


QUESTIONS = (
    Access("it watches training jobs", "watch", "hostler.dev", "trainingjobs", True),
    Access("it writes their status", "patch", "hostler.dev", "trainingjobs", True, subresource="status"),
    Access("it never writes a job's spec", "patch", "hostler.dev", "trainingjobs", False),
    Access("it deletes a job that has ended long ago", "delete", "hostler.dev", "trainingjobs", True),
    Access("it never deletes a service", "delete", "hostler.dev", "inferenceservices", False),
    Access("it watches PriorityClasses", "watch", "scheduling.k8s.io", "priorityclasses", True),
    Access("it makes no PriorityClass", "create", "scheduling.k8s.io", "priorityclasses", False),
    Access("it registers models", "create", "hostler.dev", "models", True),
    Access("it never deletes a model", "delete", "hostler.dev", "models", False),
    Access("it starts jobs", "patch", "batch", "jobs", True),
    Access("it watches pods", "watch", "", "pods", True),
    Access("it starts no pod itself", "create", "", "pods", False),
    Access("it runs nothing in a pod", "create", "", "pods", False, subresource="exec"),
    Access("it reads no secret", "get", "", "secrets", False),
    Access("it lists no secrets", "list", "", "secrets", False),
    Access("it does not list ConfigMaps", "list", "", "configmaps", False),
    Access("it reads one ConfigMap", "get", "", "configmaps", True, name="text"),
    Access("it changes no node", "patch", "", "nodes", False),
    Access("it grants nothing", "create", "rbac.authorization.k8s.io", "roles", False),
    Access(
        "it takes its Lease", "update", "coordination.k8s.io", "leases", True, name="hostler-operator", namespace="own"
    ),
    Access("no other Lease", "update", "coordination.k8s.io", "leases", False, name="other", namespace="own"),
    Access("no Lease elsewhere", "update", "coordination.k8s.io", "leases", False, name="hostler-operator"),
)
NAMED = (
    Access("it watches jobs where it was told to", "watch", "hostler.dev", "trainingjobs", True),
    Access("and nowhere else", "watch", "hostler.dev", "trainingjobs", False, namespace="other"),
    Access("strangers' pods hold devices too", "list", "", "pods", True, namespace="other"),
    Access("it reads nothing else of strangers", "list", "", "services", False, namespace="other"),
    Access("it starts nothing elsewhere", "patch", "batch", "jobs", False, namespace="other"),
    Access("pools belong to no namespace", "watch", "hostler.dev", "acceleratorpools", True, namespace=""),
    Access("nodes neither", "watch", "", "nodes", True, namespace=""),
    Access("Events of pools are kept in one", "create", "", "events", True, namespace="default"),
)
"""Where the operator serves that namespace alone."""


@pytest.mark.parametrize(
    ("named", "questions"),
    [pytest.param(False, QUESTIONS, id="all namespaces"), pytest.param(True, NAMED, id="one namespace")],
)
def test_the_operator_may_do_its_work_and_nothing_else(
    api: KubeClient, own: str, namespace: str, *, named: bool, questions: tuple[Access, ...]
) -> None:
    places = {"own": own, "team": namespace}
    with applied(api, operator_roles(namespace=own, watched=(namespace,) if named else ())):
        last = Access("", "get", "coordination.k8s.io", "leases", True, name="hostler-operator", namespace="own")
        eventually(lambda: _allowed(api, last, places), what="the roles to take effect")
        wrong = [asked.sentence for asked in questions if _allowed(api, asked, places) is not asked.allowed]
    assert wrong == []


def _allowed(api: KubeClient, question: Access, places: dict[str, str]) -> bool:
    attributes = {
        "verb": question.verb,
        "group": question.group,
        "resource": question.resource,
        "subresource": question.subresource,
        "name": question.name,
        "namespace": places.get(question.namespace, question.namespace),
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{places['own']}:hostler-operator",
            "resourceAttributes": attributes,
        },
    }
    answer = api.http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=body)
    assert answer.is_success, answer.text
    return bool(answer.json()["status"]["allowed"])
