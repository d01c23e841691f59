"""Models of a hub and of a registry in the cluster: imported once, or mounted as an image, and served without either;
and what is said of one that cannot be had."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from builders import make_imported_model, make_inference_service
from e2e.conftest import ALLOWED_HUB, REGISTRY
from hubpod import hub_objects
from stack import Stack, condition, wait

from hostler.demo.forward import forward
from hostler.local.cluster import load_archive

NAMESPACE = "imports"
HUB = """
import threading
from pathlib import Path
from runtime.importing.modelhub import ModelHub, Shelf
from runtime.importing.registryserver import RegistryServer, tar
from runtime.serving.tiny_model import save
root = save(Path("/tmp/tiny"))
files = {path.name: path.read_bytes() for path in root.iterdir()}
pickled = {name: content for name, content in files.items() if name != "model.safetensors"} | {"pytorch_model.bin": b""}
gated = Shelf(files=files, gated="auto", license="llama3.1")
ModelHub({"acme/tiny": Shelf(files=files), "acme/pickled": Shelf(files=pickled), "acme/gated": gated},
         address=("0.0.0.0", 8000))
registry = RegistryServer(address=("0.0.0.0", 5000))
digest = registry.image("acme/tiny", "v1", [tar({f"models/{name}": content for name, content in files.items()})])
registry.artifact("acme/parts", "v1", files, named="org.cncf.model.filepath",
                  media_type="application/vnd.cncf.model.weight.v1.raw")
Path("/tmp/image.tar").write_bytes(registry.archive("acme/tiny", digest, name=f"REGISTRY/acme/tiny@{digest}"))
threading.Event().wait()
"""
HUB = HUB.replace("REGISTRY", REGISTRY)
SMALL = {"storage": {"size": "1Gi"}, "resources": {"cpu": "100m", "memory": "1Gi"}}


def _model(name: str, repository: str, **spec: Any) -> dict[str, Any]:
    source = {"hf": {"repository": repository, "endpoint": ALLOWED_HUB}}
    return make_imported_model(name, namespace=NAMESPACE, artifacts={"source": source}, importer=SMALL, **spec)


def _registered(name: str, reference: str) -> dict[str, Any]:
    source = {"oci": {"reference": f"{REGISTRY}/{reference}"}}
    return make_imported_model(name, namespace=NAMESPACE, artifacts={"source": source}, importer=SMALL)


@pytest.fixture(scope="module")
def hub(stack: Stack, namespace: Callable[[str], str]) -> None:
    """A hub with three repositories, ready."""
    namespace(NAMESPACE)
    hub = hub_objects(
        stack.images["runtime-train"],
        namespace=NAMESPACE,
        program=HUB,
        modules=["runtime/serving/tiny_model.py", "runtime/importing/registryserver.py"],
        ports={"hub": 8000, "oci": 5000},
    )
    stack.apply(*hub)
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/hub"

    def served() -> bool:
        conditions = stack.api.get(path)["status"].get("conditions", [])
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

    wait(served, what="the hub answers", why=lambda: stack.api.get(path)["status"])


@pytest.mark.parametrize(
    ("repository", "want", "words"),
    [
        pytest.param("acme/nowhere", "SourceNotFound", "has no repository acme/nowhere", id="not there"),
        pytest.param("acme/pickled", "UnsupportedFormat", "pytorch_model.bin", id="pickled"),
        pytest.param("acme/gated", "LicenseNotAccepted", "spec.acceptedLicense to llama3.1", id="not accepted"),
    ],
)
def test_a_model_that_cannot_be_had(stack: Stack, hub: None, repository: str, want: str, words: str) -> None:
    name = repository.partition("/")[2]
    stack.apply(_model(name, repository))

    found = stack.wait_condition("models", name, "Ready", "False", namespace=NAMESPACE)

    said = condition(found, "Ready")
    assert said["reason"] == want, said
    assert words in said["message"]


def test_an_artifact_is_pulled_onto_a_claim(stack: Stack, hub: None) -> None:
    stack.apply(_registered("parts", "acme/parts:v1"))

    model = stack.wait_condition("models", "parts", "Ready", "True", namespace=NAMESPACE)

    brought = model["status"]["import"]
    assert (brought["claimName"], brought.get("mounted", False)) == ("parts-import", False)
    assert brought["revision"].startswith("sha256:")
    assert model["status"]["facts"]["architecture"] == "GPT2LMHeadModel"


def test_an_image_is_mounted_and_served_without_a_copy(stack: Stack, hub: None, tmp_path: Path) -> None:
    """The nodes have the image already: they cannot reach the registry, which is a pod."""
    archive = tmp_path / "image.tar"
    said = stack.tools.kubectl_run("-n", NAMESPACE, "exec", "hub", "--", "base64", "-w0", "/tmp/image.tar")
    archive.write_bytes(base64.b64decode(said))
    load_archive(stack.cluster, archive)
    service = make_inference_service(
        "mounted",
        namespace=NAMESPACE,
        accelerators={"pool": "ipu", "perPod": 1},
        resources={"cpu": "250m", "memory": "1Gi"},
        modelRef={"name": "mounted"},
    )

    stack.apply(_registered("mounted", "acme/tiny:v1"), service)

    model = stack.wait_condition("models", "mounted", "Ready", "True", namespace=NAMESPACE)
    found = model["status"]["import"]
    assert (found["mounted"], found["path"]) == (True, "models")
    assert found["image"].startswith(f"{REGISTRY}/acme/tiny@sha256:")
    assert model["status"]["facts"]["chatTemplate"] is True
    claims = stack.api.get(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims")["items"]
    assert "mounted-import" not in {claim["metadata"]["name"] for claim in claims}
    stack.wait_condition("inferenceservices", "mounted", "Ready", "True", namespace=NAMESPACE)
    (pod, *_) = stack.pods(NAMESPACE, "hostler.dev/inference-service=mounted")
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["models"]["image"]["reference"] == found["image"]


def test_a_model_is_imported_once_and_served_without_its_hub(stack: Stack, hub: None) -> None:
    stack.apply(
        _model("tiny", "acme/tiny"),
        make_inference_service(
            namespace=NAMESPACE,
            accelerators={"pool": "ipu", "perPod": 1},
            resources={"cpu": "250m", "memory": "1Gi"},
        ),
    )
    model = stack.wait_condition("models", "tiny", "Ready", "True", namespace=NAMESPACE)
    facts = model["status"]["facts"]
    assert (facts["family"], facts["architecture"], facts["license"]) == ("chat", "GPT2LMHeadModel", "Apache-2.0")
    assert facts["chatTemplate"] is True
    # Whoever serves it has it from the claim alone.
    stack.tools.kubectl_run("-n", NAMESPACE, "delete", "pod", "hub", "--wait=true", "--grace-period=1")

    stack.wait_condition("inferenceservices", "tiny", "Ready", "True", namespace=NAMESPACE)

    tools = stack.tools
    with forward(tools.kubectl, tools.kubeconfig, namespace=NAMESPACE, target="service/tiny", port=80) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        answer = client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "Where are the engines?"}], max_tokens=8
        )
    assert answer.choices[0].message.content
