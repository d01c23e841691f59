"""Manifests that the API server itself refuses: a sentence, the manifest, the field to blame, part of the message."""

from __future__ import annotations

from typing import Any

from apiserver.invalid_choice import CHOICE
from apiserver.invalid_pods import PODS
from apiserver.invalid_queue import QUEUE
from apiserver.invalid_training import FAMILIES, MEASURED, OBJECTIVES
from apiserver.refusal import Invalid
from builders import (
    edited,
    make_cluster_model,
    make_dataset,
    make_imported_model,
    make_inference_service,
    make_model,
    make_pool,
    make_training_job,
    make_transformer,
    without,
)

JOB = make_training_job()
POOL = make_pool()
MODEL = make_model()
DATASET = make_dataset()
SERVICE = make_inference_service()
_SOURCE = "spec.dataset.source"
_TRANSFORMER = "spec.output.transformer"
_PVC = {"pvc": {"claimName": "data"}}
_CONFIG_MAP = {"configMap": {"name": "text", "key": "text"}}
_PRICE = {"amount": "2.5", "currency": "EUR", "source": "contract", "date": "2026-01-31"}


def _transformer(**sizes: int) -> dict[str, Any]:
    return make_training_job(output={"transformer": make_transformer(**sizes)})


def _source(source: dict[str, Any]) -> dict[str, Any]:
    return make_training_job(dataset={"source": source})


def _training(**fields: Any) -> dict[str, Any]:
    return make_training_job(training={"steps": 20} | fields)


def _price(**fields: Any) -> dict[str, Any]:
    return make_pool(price=_PRICE | fields)


_NAMES = (
    Invalid("a job's name leaves no room for its pods' names", make_training_job("a" * 53), "metadata.name", "52"),
    Invalid("a job's name has a dot", make_training_job("my.job"), "metadata.name", "a Service gets this name"),
    Invalid("a job's name begins with a digit", make_training_job("1st"), "metadata.name", "begin with a letter"),
    Invalid("a service's name is too long", make_inference_service("a" * 53), "metadata.name", "52 characters"),
    Invalid("a service's name begins with a digit", make_inference_service("7b"), "metadata.name", "with a letter"),
    Invalid("a pool's name has a dot", make_pool("gpu.large"), "metadata.name", "refer to it"),
    Invalid("a model's name is longer than a label", make_model("m" * 64), "metadata.name", "63 characters"),
    Invalid("a catalog entry's name has a dot", make_cluster_model("llama3.1"), "metadata.name", "refer to it"),
)

_REQUIRED = (
    Invalid("a job without spec", without(JOB, "spec"), "spec", "Required"),
    Invalid("a job without family", without(JOB, "spec.family"), "spec.family", "Required"),
    Invalid(
        "a job from scratch without output", without(JOB, "spec.output"), "spec.output", "needs output.transformer"
    ),
    Invalid("a job without dataset", without(JOB, "spec.dataset"), "spec.dataset", "Required"),
    Invalid("a job without training", without(JOB, "spec.training"), "spec.training", "Required"),
    Invalid("a job without steps", without(JOB, "spec.training.steps"), "spec.training.steps", "Required"),
    Invalid("a job without accelerators", without(JOB, "spec.accelerators"), "spec.accelerators", "Required"),
    Invalid("a service without modelRef", without(SERVICE, "spec.modelRef"), "spec.modelRef", "Required"),
    Invalid("a model without artifacts", without(MODEL, "spec.artifacts"), "spec.artifacts", "Required"),
    Invalid("a pool of any node", without(POOL, "spec.nodeSelector"), "spec.nodeSelector", "Required"),
)

_JOBS = (
    Invalid("an unknown family", edited(JOB, "spec.family", "llm"), "spec.family", 'supported values: "chat"'),
    Invalid("an unknown objective", edited(JOB, "spec.objective", "guess"), "spec.objective", '"pretrain"'),
    Invalid("a chat model without sizes", edited(JOB, "spec.output", {}), "spec.output", "needs output.transformer"),
    Invalid("heads that do not divide the width", _transformer(heads=5), f"{_TRANSFORMER}.hiddenSize", "multiple"),
    Invalid("no layers", _transformer(layers=0), f"{_TRANSFORMER}.layers", "greater than or equal to 1"),
    Invalid("a tiny vocabulary", _transformer(vocabularySize=10), f"{_TRANSFORMER}.vocabularySize", "equal to 300"),
    Invalid("heads in quotes", edited(JOB, f"{_TRANSFORMER}.heads", "4"), f"{_TRANSFORMER}.heads", "type integer"),
    Invalid("no data", _source({}), _SOURCE, "exactly one of pvc, configMap"),
    Invalid("data from two places", _source(_PVC | {"oci": {"reference": "a/b:1"}}), _SOURCE, "exactly one"),
    Invalid(
        "an absolute path on a volume",
        _source({"pvc": {"claimName": "data", "path": "/etc"}}),
        f"{_SOURCE}.pvc.path",
        "must be relative",
    ),
    Invalid(
        "a path that leaves the volume",
        _source({"pvc": {"claimName": "data", "path": "a/../../b"}}),
        f"{_SOURCE}.pvc.path",
        "must not contain '..'",
    ),
    Invalid(
        "a claim that no namespace can have",
        _source({"pvc": {"claimName": "My_Data"}}),
        f"{_SOURCE}.pvc.claimName",
        "should match",
    ),
    Invalid("a URL of another scheme", _source({"http": {"url": "ftp://a/b"}}), f"{_SOURCE}.http.url", "should match"),
    Invalid("a password in a URL", _source({"http": {"url": "https://u:p@a/b"}}), f"{_SOURCE}.http.url", "match"),
    Invalid(
        "a checksum that is none",
        _source({"http": {"url": "https://a/b", "sha256": "ABC"}}),
        f"{_SOURCE}.http.sha256",
        "should match",
    ),
    Invalid(
        "a key with a slash",
        _source({"configMap": {"name": "text", "key": "a/b"}}),
        f"{_SOURCE}.configMap.key",
        "should match",
    ),
    Invalid(
        "an unknown format", edited(JOB, "spec.dataset.format", "tfrecord"), "spec.dataset.format", 'values: "text"'
    ),
    Invalid(
        "everything held out",
        edited(JOB, "spec.dataset.validationPercent", 100),
        "spec.dataset.validationPercent",
        "less than or equal to 50",
    ),
    Invalid("no steps", _training(steps=0), "spec.training.steps", "only objective quantize need not train"),
    Invalid("steps below none", _training(steps=-1), "spec.training.steps", "greater than or equal to 0"),
    Invalid("steps in halves", _training(steps=1.5), "spec.training.steps", "type integer"),
    Invalid("a rate without quotes", _training(learningRate=3e-4), "spec.training.learningRate", "type string"),
    Invalid("a rate of zero", _training(learningRate="0.0"), "spec.training.learningRate", "above 0"),
    Invalid("a rate in words", _training(learningRate="fast"), "spec.training.learningRate", "should match"),
    Invalid("a gradient clipped to nothing", _training(gradientClip="0"), "spec.training.gradientClip", "above 0"),
    Invalid("a negative weight decay", _training(weightDecay="-0.1"), "spec.training.weightDecay", "should match"),
    Invalid("warm-up beyond the end", _training(warmupSteps=21), "spec.training.warmupSteps", "not be above steps"),
    Invalid("an unknown precision", _training(precision="fp64"), "spec.training.precision", '"auto"'),
    Invalid(
        "pods without a sequence", make_training_job(pods={"max": 9}), "spec.training.batchSize", "at least pods.max"
    ),
    Invalid("no checkpoint kept", make_training_job(checkpoint={"keep": 0}), "spec.checkpoint.keep", "equal to 1"),
    Invalid("more pods at least than at most", make_training_job(pods={"min": 2}), "spec.pods.min", "above max"),
    Invalid("too many pods", make_training_job(pods={"max": 2000}), "spec.pods.max", "less than or equal to 1024"),
    Invalid("no accelerator", edited(JOB, "spec.accelerators.perPod", 0), "spec.accelerators.perPod", "equal to 1"),
    Invalid("no CPU", make_training_job(resources={"cpu": "0"}), "spec.resources.cpu", "at least 1m"),
    Invalid("CPU in words", make_training_job(resources={"cpu": "lots"}), "spec.resources.cpu", "such as 500m"),
    Invalid("negative CPU", make_training_job(resources={"cpu": -1}), "spec.resources.cpu", "at least 1m"),
    Invalid(
        "memory in GB", make_training_job(resources={"memory": "1GB"}), "spec.resources.memory", "1GB is written 1G"
    ),
    Invalid("memory without unit", make_training_job(resources={"memory": 4}), "spec.resources.memory", "4Gi"),
    Invalid(
        "a storage class beside a claim",
        make_training_job(storage={"claimName": "work", "storageClassName": "fast"}),
        "spec.storage.storageClassName",
        "remove one of them",
    ),
    Invalid(
        "a size beside a claim",
        make_training_job(storage={"claimName": "work", "size": "5Gi"}),
        "spec.storage.size",
        "remove one of them",
    ),
    Invalid("restarts below zero", make_training_job(maxRestarts=-1), "spec.maxRestarts", "equal to 0"),
    Invalid("suspend in words", make_training_job(suspend="yes"), "spec.suspend", "type boolean"),
)

_SERVICES = (
    Invalid(
        "one domain, and apart",
        make_inference_service(accelerators={"pool": "gpu", "topology": "required"}, availability={"spread": "zone"}),
        "spec.availability.spread",
        "replicas cannot all be in one domain and spread as far apart as there is room: leave out spread, or say",
    ),
    Invalid("a range of replicas", make_inference_service(pods={"max": 3}), "spec.pods", "does not scale by load"),
    Invalid(
        "a served name with a space",
        edited(SERVICE, "spec.servedModelName", "my model"),
        "spec.servedModelName",
        "match",
    ),
    Invalid(
        "an origin with a path",
        edited(SERVICE, "spec.serving", {"allowedOrigins": ["https://chat.example.org/"]}),
        "spec.serving.allowedOrigins[0]",
        "https?://",
    ),
    Invalid(
        "an origin without a scheme",
        edited(SERVICE, "spec.serving", {"allowedOrigins": ["*", "chat.example.org"]}),
        "spec.serving.allowedOrigins[1]",
        "https?://",
    ),
    Invalid("a pod as model", edited(SERVICE, "spec.modelRef.kind", "Pod"), "spec.modelRef.kind", '"ClusterModel"'),
    Invalid(
        "a model of another namespace",
        edited(SERVICE, "spec.modelRef.name", "other/m"),
        "spec.modelRef.name",
        "should match",
    ),
    Invalid("batches of none", make_inference_service(serving={"maxBatchSize": 0}), "spec.serving.maxBatchSize", "1"),
    Invalid("an endless queue", make_inference_service(serving={"maxQueue": 10**6}), "spec.serving.maxQueue", "100000"),
    Invalid(
        "no time to finish",
        make_inference_service(serving={"drainSeconds": 0}),
        "spec.serving.drainSeconds",
        "equal to 1",
    ),
)

_POOLS = (
    Invalid("no labels", make_pool(nodeSelector={}), "spec.nodeSelector", "at least 1"),
    Invalid("too many labels", make_pool(nodeSelector={f"k{n}": "v" for n in range(17)}), "spec.nodeSelector", "16"),
    Invalid("a label key that is none", make_pool(nodeSelector={"a b": "v"}), "spec.nodeSelector", "label key"),
    Invalid("a label value that is none", make_pool(nodeSelector={"pool": "a b"}), "spec.nodeSelector.pool", "match"),
    Invalid("a type in capitals", make_pool(acceleratorType="A100"), "spec.acceleratorType", "should match"),
    Invalid(
        "a cpu pool with a resource",
        make_pool(acceleratorType="cpu", resourceName="example.com/fpga"),
        "spec.resourceName",
        "no resource name",
    ),
    Invalid("a resource without domain", make_pool(resourceName="gpu"), "spec.resourceName", "should match"),
    Invalid("a promise of none", make_pool(expectedAccelerators=0), "spec.expectedAccelerators", "equal to 1"),
    Invalid(
        "a toleration that compares nothing",
        make_pool(tolerations=[{"key": "a", "value": "b"}]),
        "spec.tolerations[0].value",
        "set operator to Equal",
    ),
    Invalid(
        "an unknown operator",
        make_pool(tolerations=[{"key": "a", "operator": "In"}]),
        "spec.tolerations[0].operator",
        '"Equal", "Exists"',
    ),
    Invalid(
        "too many tolerations",
        make_pool(tolerations=[{"key": f"k{n}"} for n in range(17)]),
        "spec.tolerations",
        "at most 16",
    ),
    Invalid("a negative price", _price(amount="-1"), "spec.price.amount", "should match"),
    Invalid("a price as a float", _price(amount=2.5), "spec.price.amount", "type string"),
    Invalid("a currency in words", _price(currency="euro"), "spec.price.currency", "may not be more than 3"),
    Invalid("a day that no calendar has", _price(date="2026-13-40"), "spec.price.date", "date"),
    Invalid("a price from nowhere", make_pool(price={**_PRICE, "source": ""}), "spec.price.source", "at least 1"),
    Invalid("billing by the day", _price(billingStep="Day"), "spec.price.billingStep", '"Second"'),
    Invalid("a negative quota", make_pool(quota={"accelerators": -1}), "spec.quota.accelerators", "equal to 0"),
    Invalid(
        "a privilege that no pool can allow",
        make_pool(allowedPrivileges=["SYS_ADMIN"]),
        "spec.allowedPrivileges[0]",
        '"hostIPC"',
    ),
    Invalid(
        "a privilege twice",
        make_pool(allowedPrivileges=["hostIPC", "hostIPC"]),
        "spec.allowedPrivileges[1]",
        "Duplicate",
    ),
)

_MODELS = (
    Invalid("artifacts from nowhere", make_model(artifacts={"source": {}}), "spec.artifacts.source", "exactly one"),
    Invalid(
        "an unknown layout", edited(MODEL, "spec.artifacts.format", "onnx"), "spec.artifacts.format", '"huggingface"'
    ),
    Invalid(
        "no family, and nothing that says it",
        without(MODEL, "spec.family"),
        "spec.family",
        "it is read from the files only where these are imported",
    ),
    Invalid(
        "an importer that has nothing to import",
        make_model(importer={"storage": {"size": "1Gi"}}),
        "spec.importer",
        "remove importer",
    ),
    Invalid(
        "a licence that is accepted of nobody",
        make_model(acceptedLicense="llama3.1"),
        "spec.acceptedLicense",
        "remove acceptedLicense",
    ),
    Invalid(
        "an archive of the web without its hash",
        make_imported_model(artifacts={"source": {"http": {"url": "https://example.org/tiny.tar"}}}),
        "spec.artifacts.source.http.sha256",
        "nothing else says whether it is the right model",
    ),
    *(
        Invalid(
            f"a reference {what}",
            make_imported_model(artifacts={"source": {"oci": {"reference": reference}}}),
            "spec.artifacts.source.oci.reference",
            "must be registry/repository with a tag or a digest",
        )
        for what, reference in (
            ("without a registry", "models/tiny:v1"),
            ("without tag and digest", "registry.example.org/models/tiny"),
            ("with a scheme", "https://registry.example.org/models/tiny:v1"),
            ("with half a digest", "registry.example.org/models/tiny@sha256:abc"),
            ("with capitals", "registry.example.org/Models/tiny:v1"),
        )
    ),
    Invalid(
        "a directory outside of an image",
        make_imported_model(artifacts={"source": {"oci": {"reference": "localhost:5000/tiny:v1", "path": "../x"}}}),
        "spec.artifacts.source.oci.path",
        "must not contain '..'",
    ),
    Invalid(
        "a claim for an import without a unit",
        make_imported_model(importer={"storage": {"size": "20"}}),
        "spec.importer.storage.size",
        "at least 1Mi",
    ),
    Invalid("a task in capitals", make_model(task="Chat"), "spec.task", "should match"),
    Invalid("an empty licence", make_model(license=""), "spec.license", "at least 1"),
    Invalid("no weights", make_model(memory={"weightsBytes": 0}), "spec.memory.weightsBytes", "equal to 1"),
    Invalid(
        "a sample without slash",
        make_model(sampleRequest={"path": "v1", "body": "{}"}),
        "spec.sampleRequest.path",
        "should match",
    ),
    Invalid(
        "a figure twice",
        make_model(metrics=[{"name": "loss", "value": "1"}, {"name": "loss", "value": "2"}]),
        "spec.metrics[1]",
        "Duplicate",
    ),
    Invalid(
        "a figure as a float", make_model(metrics=[{"name": "loss", "value": 1.5}]), "spec.metrics[0].value", "string"
    ),
    *(
        Invalid(
            f"a catalog entry on a namespace's {member}",
            make_cluster_model(artifacts={"source": {member: source}}),
            f"spec.artifacts.source.{member}",
            "has no namespace",
        )
        for member, source in (
            ("configMap", {"name": "data", "key": "model"}),
            ("feedback", {"service": "chat"}),
        )
    ),
)

_BY_NAME = {"ref": {"name": "books"}}

_DATASETS = (
    Invalid("a dataset without source", without(DATASET, "spec.source"), "spec.source", "Required"),
    Invalid("a dataset in two places", make_dataset(source=_PVC | _CONFIG_MAP), "spec.source", "exactly one of"),
    Invalid(
        "a dataset of an unknown format", make_dataset(format="tfrecord"), "spec.format", 'supported values: "text"'
    ),
    Invalid("a role with a capital", make_dataset(columns={"Text": "body"}), "spec.columns", "must be a role"),
    Invalid("a column without a name", make_dataset(columns={"text": ""}), "spec.columns.text", "at least 1 char"),
    Invalid("more than half held out", make_dataset(validationPercent=51), "spec.validationPercent", "less than or"),
    Invalid("rows of no tokens", make_dataset(maxLength=0), "spec.maxLength", "greater than or equal to 8"),
    Invalid("a dataset's name leaves no room for its Job's", make_dataset("a" * 46), "metadata.name", "45 characters"),
    Invalid(
        "data inline and by name", make_training_job(dataset=_BY_NAME | {"source": _PVC}), "spec.dataset", "exactly one"
    ),
    Invalid("no data at all", make_training_job(dataset={}), "spec.dataset", "exactly one of source and ref"),
    *(
        Invalid(
            f"{field} beside a Dataset",
            make_training_job(dataset=_BY_NAME | {field: value}),
            "spec.dataset.ref",
            "remove them beside ref",
        )
        for field, value in (
            ("format", "jsonl"),
            ("columns", {"text": "body"}),
            ("license", "MIT"),
            ("validationPercent", 20),
        )
    ),
)

INVALID = (
    *CHOICE,
    *QUEUE,
    *_NAMES,
    *_REQUIRED,
    *_JOBS,
    *_SERVICES,
    *_POOLS,
    *_MODELS,
    *_DATASETS,
    *PODS,
    *FAMILIES,
    *OBJECTIVES,
    *MEASURED,
)
