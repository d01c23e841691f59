"""Services against a real API server: others' changes are put back, upgrades restart nothing, Ready means reached."""

from __future__ import annotations

from typing import Any

import pytest
from apiserver.operating import until
from apiserver.site import OpenSite, Site
from kubeclient import MERGE
from tables import table

from hostler.controllers.inferenceservice.template import RESTARTED_AT
from hostler.manifests import deployment as builder

pytestmark = pytest.mark.usefixtures("crds")
Object = dict[str, Any]

SERVICE = "hostler/inferenceservices/tiny"
STRATEGIC = "application/strategic-merge-patch+json"


async def _serving(site: Site, **spec: Any) -> None:
    site.model()
    site.create(site.service(**spec))
    await site.reaches(SERVICE, "Ready", "True", "Serving")


def _edit(site: Site, path: str, body: Object, *, kind: str = MERGE) -> None:
    """Somebody else, with a field manager of their own."""
    group, _, rest = path.partition("/")
    url = f"{site.api_of(group)}/namespaces/{site.namespace}/{rest}"
    answer = site.api.http.patch(f"{url}?fieldManager=kubectl-edit", json=body, headers={"Content-Type": kind})
    assert answer.is_success, answer.text


def _spec(site: Site, path: str) -> Object:
    return site.get(path)["spec"]


def _pods(site: Site) -> set[str]:
    """Replicas that are there, by uid."""
    found = site.node.pods(inference_service="tiny")
    return {pod["metadata"]["uid"] for pod in found if not pod["metadata"].get("deletionTimestamp")}


def _container(**fields: Any) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "server", **fields}]}}}}


EDITS = {
    "another port behind the address": (
        "core/services/tiny",
        {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9}]}},
        "Service tiny was changed by somebody else (spec.ports)",
    ),
    "one more key of the selector": (
        "core/services/tiny",
        {"spec": {"selector": {"tier": "gold"}}},
        "Service tiny was changed by somebody else (spec.selector.tier)",
    ),
    "an address for the whole world": (
        "core/services/tiny",
        {"spec": {"type": "LoadBalancer"}},
        "Service tiny was changed by somebody else (spec.type",
    ),
    "a rollout that waits": (
        "apps/deployments/tiny",
        {"spec": {"paused": True}},
        "Deployment tiny was changed by somebody else (spec.paused)",
    ),
    "a budget that lets no drain through": (
        "policy/poddisruptionbudgets/tiny",
        {"spec": {"maxUnavailable": 0}},
        "PodDisruptionBudget tiny was changed by somebody else (spec.maxUnavailable)",
    ),
}


async def test_a_child_that_somebody_edits_is_put_back_and_its_pods_stay(open_site: OpenSite) -> None:
    async with open_site() as site:
        await _serving(site, pods={"min": 2, "max": 2})
        pods = _pods(site)
        for sentence, (path, edit, want) in EDITS.items():
            before = _spec(site, path)
            _edit(site, path, edit)
            await until(lambda p=path, was=before: _spec(site, p) == was, what=f"{path} to be as it was: {sentence}")
            await until(lambda w=want: w in " ".join(site.events("ChangeUndone")), what=f"an Event: {want}")
        await site.reaches(SERVICE, "Ready", "True", "Serving")
        assert _pods(site) == pods
        await _rest(site)
        _edit(site, SERVICE, {"spec": {"pods": {"min": 1, "max": 1}}})
        await until(lambda: not site.get("policy/poddisruptionbudgets/tiny"), what="the budget of one replica to go")


async def test_an_autoscaler_that_scales_the_replicas_is_named(open_site: OpenSite) -> None:
    async with open_site() as site:
        await _serving(site)
        _edit(site, "apps/deployments/tiny", {"spec": {"replicas": 3}})
        await until(lambda: _spec(site, "apps/deployments/tiny")["replicas"] == 1, what="one replica")
        await until(lambda: "remove an autoscaler" in " ".join(site.events("ChangeUndone")), what="an Event about it")
        await site.reaches(SERVICE, "Ready", "True", "Serving")


TEMPLATES = {
    "one more variable": _container(env=[{"name": "HTTPS_PROXY", "value": "http://elsewhere"}]),
    "another value": _container(env=[{"name": "HF_HUB_OFFLINE", "value": "0"}]),
    "another image": _container(image="registry/mine:1"),
    "another container": {"spec": {"template": {"spec": {"containers": [{"name": "spy", "image": "spy"}]}}}},
}


async def test_a_template_that_somebody_edits_is_put_back(open_site: OpenSite) -> None:
    async with open_site() as site:
        await _serving(site)
        before = _spec(site, "apps/deployments/tiny")
        for sentence, edit in TEMPLATES.items():
            _edit(site, "apps/deployments/tiny", edit, kind=STRATEGIC)
            what = f"the template to be as it was: {sentence}"
            await until(lambda: _spec(site, "apps/deployments/tiny") == before, what=what)
        await site.reaches(SERVICE, "Ready", "True", "Serving")
        await _rest(site)


async def test_an_upgrade_with_another_template_restarts_nothing_and_still_puts_back_the_old_one(
    open_site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site() as site:
        await _serving(site)
        before, pods = site.get("apps/deployments/tiny"), _pods(site)
        await site.stop()
        monkeypatch.setattr(builder, "_GRACE_BEYOND_DRAIN", 99)
        await site.start(serve_image="registry/serve:2")
        await until(lambda: "outdatedImage" in site.get(SERVICE)["status"], what="the image to be called outdated")
        await _rest(site)
        after = site.get("apps/deployments/tiny")
        assert (after["metadata"]["resourceVersion"], _pods(site)) == (before["metadata"]["resourceVersion"], pods)
        assert site.condition(SERVICE, "Ready")[:2] == ("True", "Serving")

        _edit(site, "apps/deployments/tiny", _container(env=[{"name": "HF_HUB_OFFLINE", "value": "0"}]), kind=STRATEGIC)
        await until(lambda: _spec(site, "apps/deployments/tiny") == before["spec"], what="the old template")
        await site.reaches(SERVICE, "Ready", "True", "Serving")

        now = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: "2026-01-01T00:00:00Z"}}}}}
        _edit(site, "apps/deployments/tiny", now)
        await until(lambda: "outdatedImage" not in site.get(SERVICE)["status"], what="the newest image")
        await site.reaches(SERVICE, "Ready", "True", "Serving")
        template = _spec(site, "apps/deployments/tiny")["template"]
        assert template["spec"]["containers"][0]["image"] == "registry/serve:2"
        assert template["metadata"]["annotations"][RESTARTED_AT] == "2026-01-01T00:00:00Z"
        await _rest(site)


async def test_endpoints_carry_the_labels_of_their_service_and_ready_follows_them(open_site: OpenSite) -> None:
    async with open_site() as site:
        await _serving(site)
        (pod,) = site.node.pods(inference_service="tiny")
        path = f"/api/v1/namespaces/{site.namespace}/pods/{pod['metadata']['name']}/status"
        conditions = [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")]
        site.patch(path, {"status": {"conditions": conditions}})
        await site.reaches(SERVICE, "Ready", "False")
        (found,) = site.operator.store.list("EndpointSlice", namespace=site.namespace)
        assert found["metadata"]["labels"]["hostler.dev/inference-service"] == "tiny"


@table(
    ("path", "limit", "want"),
    {
        "a quota": (
            "resourcequotas",
            {"kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": {"requests.memory": "1Mi"}}},
            "exceeded quota: team",
        ),
        "the limits of a namespace": (
            "limitranges",
            {
                "kind": "LimitRange",
                "metadata": {"name": "small"},
                "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]},
            },
            "maximum memory usage per Container is 1Mi",
        ),
    },
)
async def test_replicas_that_the_namespace_refuses_are_said(
    open_site: OpenSite, path: str, limit: Object, want: str
) -> None:
    async with open_site() as site:
        site.post("/api/v1", path, {"apiVersion": "v1", **limit})
        if path == "resourcequotas":
            await until(lambda: site.get("core/resourcequotas/team").get("status", {}).get("hard"), what="the quota")
        site.model()
        site.create(site.service())
        await site.reaches(SERVICE, "Ready", "False", "ChildRefused")
        assert want in site.condition(SERVICE, "Ready")[2]


async def _rest(site: Site) -> None:
    """Nothing more is written: what was put back is what is wanted. A fight would write in every turn; what else is on
    its way, such as a pool's count some seconds later, is written once."""
    counts = [await _writes_after_looking_at_all(site) for _ in range(2)]
    while counts[-1] != counts[-2]:
        assert len(counts) < 6, f"something is written again and again: {counts}"
        counts.append(await _writes_after_looking_at_all(site))


async def _writes_after_looking_at_all(site: Site) -> int:
    queue = site.operator.queue
    for _ in range(10):
        site.operator.dispatcher.enqueue_all()
        await until(lambda: not len(queue) and not queue.in_hand, what="the queue to be empty")
    return site.writes()
