"""A model of a hub against a real API server, scheduler and Job controller; only the containers are imagined."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from apiserver.operating import until
from apiserver.site import VOLUMES, OpenSite, Site, volume
from builders import make_cluster_model, make_imported_model, make_inference_service
from unit.controllers.imports import COMMIT, report

from hostler_contract import ImportReport
from hostler_contract.importing import ImportReason

pytestmark = pytest.mark.usefixtures("crds")
Object = dict[str, Any]
SMALL = {"storage": {"size": "1Gi"}}
"""As large as the site's volume."""


@asynccontextmanager
async def opened(open_site: OpenSite, *, model: str = "tiny") -> AsyncIterator[Site]:
    """A site with a volume for the claim of an import."""
    async with open_site() as site:
        name, claim = f"{site.namespace}-import", f"{model.format(site.namespace)}-import"
        assert site.api.http.post(VOLUMES, json=volume(site.namespace, name=name, claim=claim)).is_success
        try:
            yield site
        finally:
            site.api.delete(f"{VOLUMES}/{name}")


async def _pod(site: Site, model: str = "tiny") -> Object:
    def running() -> Object | None:
        pods = [pod for pod in site.node.pods(model=model) if pod["status"]["phase"] == "Running"]
        return pods[0] if pods else None

    return await until(running, what="the importer's pod")


def _jobs(site: Site) -> list[Object]:
    query = "?labelSelector=hostler.dev/model=tiny"
    found: list[Object] = site.api.get(f"/apis/batch/v1/namespaces/{site.namespace}/jobs{query}").json()["items"]
    return found


async def test_a_model_is_imported_and_served(open_site: OpenSite) -> None:
    async with opened(open_site) as site:
        site.create(make_imported_model(namespace=site.namespace, importer=SMALL))
        await site.reaches("hostler/models/tiny", "Ready", "Unknown", "Importing")
        site.create(make_inference_service(namespace=site.namespace, accelerators={"pool": site.pool}))
        await site.reaches("hostler/inferenceservices/tiny", "Admitted", "False", "ModelNotReady")
        claim = site.get("core/persistentvolumeclaims/tiny-import")
        assert claim["spec"]["resources"]["requests"]["storage"] == "1Gi"

        site.node.end(await _pod(site), report())

        await site.reaches("hostler/models/tiny", "Ready", "True", "ArtifactsAvailable")
        status = site.get("hostler/models/tiny")["status"]
        assert (status["facts"]["family"], status["import"]["revision"]) == ("chat", COMMIT)
        await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
        await until(lambda: not _jobs(site), what="the Job to go, whose pod holds the claim")


async def test_a_licence_that_is_accepted_later(open_site: OpenSite) -> None:
    async with opened(open_site) as site:
        site.create(make_imported_model(namespace=site.namespace, importer=SMALL))
        said = ImportReport(reason=ImportReason.LICENSE_NOT_ACCEPTED, message="the licence llama3.1")
        site.node.end(await _pod(site), said, code=3)
        await site.reaches("hostler/models/tiny", "Ready", "False", "LicenseNotAccepted")
        (before,) = _jobs(site)
        assert before["status"]["failed"] == 1, "the Job ends with the first pod that says that it cannot"

        path = f"/apis/hostler.dev/v1alpha1/namespaces/{site.namespace}/models/tiny"
        site.patch(path, {"spec": {"acceptedLicense": "llama3.1"}})

        await site.reaches("hostler/models/tiny", "Ready", "Unknown", "Importing")

        def another() -> bool:
            return [job["metadata"]["uid"] for job in _jobs(site)] not in ([], [before["metadata"]["uid"]])

        await until(another, what="another Job, which accepts it")


async def test_an_entry_of_the_catalog_is_imported_where_a_service_names_it(open_site: OpenSite) -> None:
    async with opened(open_site, model="catalog-{}") as site:
        # The site's own name, because entries are the whole cluster's.
        name = site.namespace
        path = f"/apis/hostler.dev/v1alpha1/clustermodels/{name}"
        entry = make_cluster_model(name, importer=SMALL)
        del entry["spec"]["family"]
        site.create(entry)
        try:

            def reason() -> str:
                found = site.api.get(path).json().get("status", {}).get("conditions", [])
                return next((each["reason"] for each in found if each["type"] == "Ready"), "")

            await until(lambda: reason() == "NotUsed", what="the entry to wait for its first use")
            site.create(site.service(modelRef={"kind": "ClusterModel", "name": name}))
            site.node.end(await _pod(site, f"catalog-{name}"), report())
            await site.reaches("hostler/inferenceservices/tiny", "Ready", "True", "Serving")
            await until(lambda: reason() == "ArtifactsAvailable", what="the entry to be somewhere")
            assert site.api.get(path).json()["status"]["facts"]["family"] == "chat"
        finally:
            site.api.delete(path)
