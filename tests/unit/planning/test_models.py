"""Whether a model is good enough and there, and whether it fits where another one is made from it."""

from __future__ import annotations

from typing import Any

from builders import make_cluster_model, make_family_job, make_model, make_transformer
from tables import table

from hostler.api.common import ModelReference
from hostler.api.model import ModelSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.models import NamedModel, missed_gates, obstacle, reject_inputs

CLAIM = {"metadata": {"name": "tiny"}}
FIGURES = [
    {"name": "validation_loss", "value": "3.25"},
    {"name": "pixel_spread", "value": "1.4"},
    {"name": "f1", "value": "0.72"},
]
BASE_FIGURES = [{"name": "validation_loss", "value": "3"}, {"name": "f1", "value": "0.8"}]


def model(**spec: Any) -> ModelSpec:
    return ModelSpec.model_validate(make_model(**spec)["spec"])


@table(
    ("gate", "want"),
    {
        "no gate": (None, []),
        "below the highest": ({"metric": "validation_loss", "max": "3.5"}, []),
        "at the highest": ({"metric": "validation_loss", "max": "3.25"}, []),
        "above the highest": (
            {"metric": "validation_loss", "max": "3"},
            ["validation_loss is 3.25, and a gate asks for at most 3."],
        ),
        "below the lowest": (
            {"metric": "validation_loss", "min": "4e0"},
            ["validation_loss is 3.25, and a gate asks for at least 4e0."],
        ),
        "above a lowest that is negative": ({"metric": "validation_loss", "min": "-1"}, []),
        "outside a range": (
            {"metric": "pixel_spread", "min": "0.7", "max": "1.3"},
            ["pixel_spread is 1.4, and a gate asks for at least 0.7 and at most 1.3."],
        ),
        "a figure that nobody measured": (
            {"metric": "accuracy", "min": "0.9"},
            ["accuracy was not measured, and a gate asks for at least 0.9."],
        ),
        "not much worse than the base": ({"metric": "f1", "minRelative": "0.9"}, []),
        "much worse than the base": (
            {"metric": "f1", "minRelative": "0.95"},
            ["f1 is 0.72, and a gate asks for at least 0.95 of the base's 0.8."],
        ),
        "a loss that grew a little": ({"metric": "validation_loss", "maxRelative": "1.1"}, []),
        "a loss that grew too much": (
            {"metric": "validation_loss", "max": "5", "maxRelative": "1.05"},
            ["validation_loss is 3.25, and a gate asks for at most 5 and at most 1.05 of the base's 3."],
        ),
        "good enough beside the base, and not by itself": (
            {"metric": "f1", "min": "0.75", "minRelative": "0.5"},
            ["f1 is 0.72, and a gate asks for at least 0.75 and at least 0.5 of the base's 0.8."],
        ),
        "a base of which the figure is not known": (
            {"metric": "pixel_spread", "minRelative": "0"},
            ["pixel_spread is 1.4, and a gate asks for at least 0 of a base's, which is not known."],
        ),
    },
)
def test_a_figure_passes_its_gate_or_a_sentence_says_by_how_much_not(
    gate: dict[str, str] | None, want: list[str]
) -> None:
    found = model(metrics=FIGURES, baseMetrics=BASE_FIGURES, gates=[gate] if gate else [])
    assert missed_gates(found) == want


def test_a_figure_that_is_no_number_passes_no_gate() -> None:
    figures = [{"name": "loss", "value": "nan"}, {"name": "accuracy", "value": "good"}]
    gates = [{"metric": "loss", "max": "9"}, {"metric": "accuracy", "min": "0"}]
    assert len(missed_gates(model(metrics=figures, gates=gates))) == 2


@table(
    ("spec", "claim", "want"),
    {
        "the claim is there": ({}, CLAIM, None),
        "the claim is gone": ({}, None, "ArtifactsMissing"),
        "the claim has no volume yet": ({}, CLAIM | {"status": {"phase": "Pending"}}, None),
        "the claim has lost its volume": ({}, CLAIM | {"status": {"phase": "Lost"}}, "ArtifactsMissing"),
        "the claim is being deleted": (
            {},
            {"metadata": {"name": "tiny", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            "BeingDeleted",
        ),
        "the figure is not good enough": (
            {"metrics": FIGURES, "gates": [{"metric": "validation_loss", "max": "3"}]},
            CLAIM,
            "GateMissed",
        ),
        "files come before figures": (
            {"gates": [{"metric": "validation_loss", "max": "3"}]},
            None,
            "ArtifactsMissing",
        ),
        "a place that cannot be mounted": (
            {"artifacts": {"source": {"hf": {"repository": "a/b"}}}},
            None,
            "SourceNotSup",
        ),
    },
)
def test_what_stands_between_a_model_and_its_use(
    spec: dict[str, Any], claim: dict[str, Any] | None, want: str | None
) -> None:
    found = obstacle(model(**spec), claim=claim, namespace="default")
    assert (found is None) if want is None else (found is not None and found[0].value.startswith(want))


def named(found: ModelSpec | None, *, part: str | None = None, claim: bool = True, kind: str = "Model") -> NamedModel:
    """A reference and what it leads to."""
    return NamedModel(
        path="spec.base" if part is None else f"spec.parts.{part}",
        reference=ModelReference(kind=kind, name="large"),
        model=found,
        part=part,
        claim=CLAIM if claim else None,
        namespace="default",
    )


ROUNDED = {"quantization": "int8-weight-only"}
CATALOG = ModelSpec.model_validate(make_cluster_model()["spec"])


@table(
    ("family", "inputs", "want_reason", "want_message"),
    {
        "a base of the same family": ("chat", [named(model())], "", ""),
        "no model of that name": (
            "chat",
            [named(None)],
            "ModelNotFound",
            "spec.base: there is no Model large in namespace default: create it, or name another one.",
        ),
        "no catalog entry of that name": (
            "chat",
            [named(None, kind="ClusterModel")],
            "ModelNotFound",
            "spec.base: there is no ClusterModel large: create it, or name another one.",
        ),
        "a base of another family": (
            "chat",
            [named(model(family="gan"))],
            "IncompatibleModel",
            "spec.base: Model large is of family gan; needed here: chat.",
        ),
        "a base whose files are gone": (
            "chat",
            [named(model(), claim=False)],
            "ModelNotReady",
            "spec.base: Model large is not ready: There is no claim tiny in namespace default: create or restore it.",
        ),
        "a base that is not good enough": (
            "chat",
            [named(model(gates=[{"metric": "loss", "max": "1"}]))],
            "ModelNotReady",
            "spec.base: Model large is not ready: loss was not measured, and a gate asks for at most 1. Train a better "
            "one, or change spec.gates.",
        ),
        "a base of the catalog, which is on its way": (
            "chat",
            [named(CATALOG, kind="ClusterModel")],
            "ModelNotReady",
            "spec.base: ClusterModel large is not ready: Its files have not been brought into the namespace yet.",
        ),
        "a base of a ConfigMap, which is no place for one": (
            "chat",
            [named(model(artifacts={"source": {"configMap": {"name": "models", "key": "tiny"}}}))],
            "ModelNotReady",
            "spec.base: Model large is not ready: spec.artifacts.source.configMap: this release serves from "
            "pvc or hf or http or s3 or oci only.",
        ),
        "a base with 8-bit weights, whose own base is known": (
            "chat",
            [named(model(architecture=ROUNDED, lineage={"objective": "quantize", "base": {"name": "whole"}}))],
            "IncompatibleModel",
            "spec.base: Model large is quantized (int8-weight-only), and objective finetune needs weights that are "
            "not: start from Model whole, from which it was made, and quantize what comes out.",
        ),
        "a base with 8-bit weights of an older release": (
            "chat",
            [named(model(lineage={"objective": "quantize", "base": {"kind": "ClusterModel", "name": "whole"}}))],
            "IncompatibleModel",
            "spec.base: Model large is quantized (int8), and objective finetune needs weights that are not: start "
            "from ClusterModel whole, from which it was made, and quantize what comes out.",
        ),
        "a base with 8-bit weights that somebody described": (
            "chat",
            [named(model(architecture=ROUNDED))],
            "IncompatibleModel",
            "spec.base: Model large is quantized (int8-weight-only), and objective finetune needs weights that are "
            "not: start from the model that it was made from, and quantize what comes out.",
        ),
        "an autoencoder as first stage": (
            "text-to-image",
            [named(model(family="vae"), part="autoencoder")],
            "",
            "",
        ),
        "the first stage of another image model": (
            "text-to-image",
            [named(model(family="text-to-image"), part="autoencoder")],
            "",
            "",
        ),
        "a chat model as first stage": (
            "text-to-image",
            [named(model(), part="autoencoder")],
            "IncompatibleModel",
            "spec.parts.autoencoder: Model large is of family chat; needed here: vae, text-to-image, text-to-video.",
        ),
        "the second of two": (
            "text-to-video",
            [named(model(family="vae"), part="autoencoder"), named(None, part="text_encoder")],
            "ModelNotFound",
            "spec.parts.text_encoder: there is no Model large in namespace default: create it, or name another one.",
        ),
    },
)
def test_a_model_is_made_only_from_what_fits_and_is_ready(
    family: str, inputs: list[NamedModel], want_reason: str, want_message: str
) -> None:
    spec = TrainingJobSpec.model_validate(make_family_job(family, objective="finetune")["spec"])
    found = reject_inputs(spec, inputs)
    assert (found.reason if found else "", found.message if found else "") == (want_reason, want_message)


def test_a_quantized_model_can_teach() -> None:
    spec = TrainingJobSpec.model_validate(make_family_job("chat", objective="distill")["spec"])
    assert reject_inputs(spec, [named(model(architecture=ROUNDED))]) is None


READS_512 = {"architecture": {"contextLength": 512}}


@table(
    ("family", "spec", "want"),
    {
        "as long as the base reads": ("chat", {"output": {}, "training": {"steps": 1, "contextLength": 512}}, ""),
        "nobody says how long": ("chat", {"output": {}}, ""),
        "rows that are longer": (
            "code",
            {"output": {}, "training": {"steps": 1, "contextLength": 1024}},
            "spec.training.contextLength: 1,024 tokens are more than the 512 that Model large was made for: lower it.",
        ),
        "a network that would read longer ones": (
            "chat",
            {"output": {"transformer": make_transformer(contextLength=1024)}},
            "spec.output.transformer.contextLength: 1,024 tokens are more than the 512",
        ),
        "a student reads the rows of its teacher": (
            "chat",
            {"objective": "distill", "output": {"transformer": make_transformer(contextLength=1024)}},
            "spec.output.transformer.contextLength: 1,024 tokens are more than the 512",
        ),
        "an encoder too": (
            "bert",
            {"output": {}, "training": {"steps": 1, "contextLength": 1024}},
            "spec.training.contextLength: 1,024 tokens are more than the 512",
        ),
    },
)
def test_a_context_longer_than_the_base_s_is_refused_before_there_are_pods(
    family: str, spec: dict[str, Any], want: str
) -> None:
    job = make_family_job(family, **({"objective": "finetune", "base": {"name": "large"}} | spec))
    found = reject_inputs(TrainingJobSpec.model_validate(job["spec"]), [named(model(family=family, **READS_512))])
    assert (found.reason if found else "") == ("IncompatibleModel" if want else "")
    assert found is None or found.message.startswith(want)
