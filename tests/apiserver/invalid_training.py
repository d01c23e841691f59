"""Training jobs that the API server refuses for what their family or their objective cannot do."""

from __future__ import annotations

from typing import Any

from apiserver.refusal import Invalid
from builders import FAMILY_SIZES, edited, make_family_job, make_inference_service, make_model, make_training_job

Object = dict[str, Any]

_BASE = {"name": "large"}


def _sized(family: str, block: str, **sizes: Any) -> Object:
    """A job whose network differs in some sizes."""
    return make_family_job(family, output={block: FAMILY_SIZES[family][block] | sizes})


def _tuned(objective: str = "finetune", *, family: str = "chat", **spec: Any) -> Object:
    """A job that starts from a base model."""
    return make_family_job(family, objective=objective, base=_BASE, **spec)


_BLOCKS = (
    ("code", "transformer"),
    ("bert", "encoder"),
    ("text-to-image", "diffusion"),
    ("text-to-video", "video"),
    ("speech-to-text", "speech"),
    ("gan", "gan"),
    ("vae", "autoencoder"),
)
_TEXT_ENCODER = {"hiddenSize": 64, "heads": 5}

FAMILIES = (
    *(
        Invalid(
            f"{family} without sizes and without a base",
            make_family_job(family, output={}),
            "spec.output",
            f"needs output.{block}",
        )
        for family, block in _BLOCKS
    ),
    Invalid(
        "the network of another family",
        make_family_job("gan", output=FAMILY_SIZES["gan"] | FAMILY_SIZES["bert"]),
        "spec.output",
        "at most one of transformer",
    ),
    Invalid(
        "only the network of another family",
        make_family_job("gan", output=FAMILY_SIZES["bert"]),
        "spec.output.encoder",
        "describes the network of family bert",
    ),
    Invalid(
        "a llama with heads of odd width",
        _sized("chat", "transformer", architecture="llama", hiddenSize=60, heads=4),
        "spec.output.transformer.hiddenSize",
        "must be even",
    ),
    Invalid(
        "a llama that drops out",
        _sized("code", "transformer", architecture="llama", dropoutPercent=10),
        "spec.output.transformer.dropoutPercent",
        "llama has no dropout",
    ),
    Invalid(
        "an encoder's heads",
        _sized("bert", "encoder", heads=5),
        "spec.output.encoder.hiddenSize",
        "must be a multiple of heads: change one of them",
    ),
    Invalid(
        "a listener's heads", _sized("speech-to-text", "speech", heads=5), "spec.output.speech.hiddenSize", "multi"
    ),
    Invalid(
        "heads of an image's text encoder",
        _sized("text-to-image", "diffusion", textEncoder=_TEXT_ENCODER),
        "spec.output.diffusion.textEncoder.hiddenSize",
        "multiple",
    ),
    Invalid(
        "heads of a clip's text encoder",
        _sized("text-to-video", "video", textEncoder=_TEXT_ENCODER),
        "spec.output.video.textEncoder.hiddenSize",
        "multiple",
    ),
    Invalid(
        "an image that cannot be halved as often",
        _sized("vae", "autoencoder", imageSize=18, blockWidths=[8, 16, 32]),
        "spec.output.autoencoder.imageSize",
        "must be halved",
    ),
    Invalid(
        "an image of which the first stage cannot halve the size",
        _sized("text-to-image", "diffusion", autoencoder={"imageSize": 17}),
        "spec.output.diffusion.autoencoder.imageSize",
        "must be halved",
    ),
    Invalid(
        "a frame that cannot be halved",
        _sized("text-to-video", "video", imageSize=9),
        "spec.output.video.imageSize",
        "must be halved",
    ),
    Invalid("no resolution", _sized("vae", "autoencoder", blockWidths=[]), "spec.output.autoencoder.blockWidths", "1"),
    Invalid(
        "a size between powers of two", _sized("gan", "gan", imageSize=24), "spec.output.gan.imageSize", "power of two"
    ),
    Invalid(
        "an unknown architecture",
        _sized("chat", "transformer", architecture="rnn"),
        "spec.output.transformer.architecture",
        '"gpt2"',
    ),
    Invalid("an unknown head", _sized("bert", "encoder", head="chat"), "spec.output.encoder.head", '"masked-lm"'),
    Invalid(
        "latent diffusion without a first stage",
        make_family_job("text-to-image", output={"diffusion": {}}),
        "spec.output.diffusion",
        "name a Model in parts.autoencoder",
    ),
    Invalid(
        "a frame whose latent cannot be halved",
        _sized("text-to-video", "video", autoencoderWidths=[16, 32, 64], blockWidths=[32, 64, 96]),
        "spec.output.video.imageSize",
        "as often as autoencoderWidths and blockWidths",
    ),
    Invalid(
        "a first stage beside that of the base",
        make_family_job("text-to-image", objective="finetune", base=_BASE, parts={"autoencoder": {"name": "vae"}}),
        "spec.parts",
        "a base brings its own",
    ),
    Invalid(
        "a first stage for a chat model",
        make_family_job("chat", parts={"autoencoder": {"name": "vae"}}),
        "spec.parts.autoencoder",
        "only family text-to-image",
    ),
    Invalid(
        "images that are text",
        edited(make_family_job("gan"), "spec.dataset.format", "text"),
        "spec.dataset.format",
        "learns from data of format images",
    ),
    Invalid(
        "a chat model that hears",
        edited(make_family_job("chat"), "spec.dataset.format", "audio"),
        "spec.dataset.format",
        "learns from data of format text",
    ),
    Invalid(
        "a length where nothing has one",
        make_family_job("gan", training={"steps": 1, "contextLength": 64}),
        "spec.training.contextLength",
        "others leave contextLength out",
    ),
    Invalid(
        "sequences longer than the network reads",
        make_training_job(training={"steps": 1, "contextLength": 65}),
        "spec.training.contextLength",
        "raise output.transformer.contextLength",
    ),
    Invalid(
        "packing where nothing has a length",
        make_family_job("gan", training={"steps": 1, "packing": {"mode": "off"}}),
        "spec.training.packing",
        "others leave packing out",
    ),
    Invalid(
        "conversations that are too long where there are none",
        make_family_job("bert", training={"steps": 1, "overlong": "drop"}),
        "spec.training.overlong",
        "texts are cut into pieces for head masked-lm: remove overlong, or take another head",
    ),
    Invalid(
        "programs, which are cut into pieces",
        make_family_job("code", training={"steps": 1, "overlong": "refuse"}),
        "spec.training.overlong",
        "other texts are cut: remove overlong",
    ),
    Invalid(
        "two networks that learn in turns, spread over processes",
        make_family_job("gan", training={"steps": 1, "parallelism": "sharded"}),
        "spec.training.parallelism",
        "others are replicated",
    ),
    Invalid(
        "too large parts of a step",
        make_training_job(training={"steps": 1, "batchSize": 8, "gradientAccumulation": 9}),
        "spec.training.batchSize",
        "times gradientAccumulation",
    ),
    Invalid(
        "a column for something that is no role",
        edited(make_training_job(), "spec.dataset.columns", {"My Text": "body"}),
        "spec.dataset.columns",
        "every key must be a role",
    ),
    Invalid(
        "a key that is no Secret's name",
        edited(make_training_job(), "spec.dataset.source", {"s3": {"bucket": "data", "secretRef": {"name": "A B"}}}),
        "spec.dataset.source.s3.secretRef.name",
        "should match",
    ),
    Invalid(
        "a password in the address of a store",
        edited(make_training_job(), "spec.dataset.source", {"s3": {"bucket": "data", "endpoint": "https://u:p@a"}}),
        "spec.dataset.source.s3.endpoint",
        "should match",
    ),
    Invalid(
        "a path that leaves the repository",
        edited(make_training_job(), "spec.dataset.source", {"hf": {"repository": "a/b", "path": "../c"}}),
        "spec.dataset.source.hf.path",
        "must not contain '..'",
    ),
)

OBJECTIVES = (
    *(
        Invalid(
            f"{objective} of nothing",
            make_family_job("chat", objective=objective),
            "spec.base",
            "start from a model: name it in base",
        )
        for objective in ("finetune", "preference", "distill", "prune", "quantize")
    ),
    Invalid(
        "a fresh start from a base", make_training_job(base=_BASE), "spec.base", "pretrain starts from random weights"
    ),
    Invalid("a pod as base", edited(_tuned(), "spec.base.kind", "Pod"), "spec.base.kind", '"ClusterModel"'),
    Invalid(
        "an objective that a GAN has not",
        _tuned("preference", family="gan"),
        "spec.objective",
        "family gan has no such objective; it has pretrain, finetune",
    ),
    Invalid("an adapter of random weights", make_training_job(lora={}), "spec.lora", "belongs to objective finetune"),
    Invalid("an adapter of a GAN", _tuned(family="gan", lora={}), "spec.lora", "trains low-rank adapters"),
    *(
        Invalid(
            f"settings of {section} beside another objective", _tuned(**{section: {}}), f"spec.{section}", "belongs"
        )
        for section in ("preference", "distill", "prune", "quantize")
    ),
    Invalid("an adapter of no rank", _tuned(lora={"rank": 0}), "spec.lora.rank", "equal to 1"),
    Invalid("an adapter that drops everything", _tuned(lora={"dropout": "1.5"}), "spec.lora.dropout", "above 1"),
    Invalid(
        "a preference that costs nothing",
        _tuned("preference", preference={"beta": "0"}),
        "spec.preference.beta",
        "above 0",
    ),
    Invalid("an unknown method", _tuned("preference", preference={"method": "ppo"}), "spec.preference.method", '"dpo"'),
    Invalid(
        "a teacher of more than all",
        _tuned("distill", distill={"teacherWeight": "1.1"}),
        "spec.distill.teacherWeight",
        "above 1",
    ),
    Invalid("a pupil without sizes", _tuned("distill", output={}), "spec.output", "distill teaches a smaller model"),
    Invalid("everything pruned", _tuned("prune", prune={"sparsity": "1"}), "spec.prune.sparsity", "between 0 and 1"),
    Invalid(
        "channels of a family that has none to remove",
        _tuned("prune", family="vae", prune={"method": "structured"}),
        "spec.prune.method",
        "others are pruned unstructured",
    ),
    Invalid(
        "4-bit weights", _tuned("quantize", quantize={"method": "int4"}), "spec.quantize.method", '"int8-weight-only"'
    ),
    Invalid(
        "pseudo-labels without asking for them",
        make_family_job("bert", semiSupervised={}),
        "spec.semiSupervised",
        "belongs to supervision semi-supervised",
    ),
    *(
        Invalid(
            f"{family} that learns {supervision}",
            make_family_job(family, supervision=supervision),
            "spec.supervision",
            f"family {family} learns {fitting}: say that, or leave supervision out",
        )
        for family, supervision, fitting in (
            ("chat", "semi-supervised", "self-supervised"),
            ("code", "supervised", "self-supervised"),
            ("text-to-image", "supervised", "self-supervised"),
            ("gan", "supervised", "self-supervised"),
            ("speech-to-text", "self-supervised", "supervised"),
        )
    ),
    *(
        Invalid(
            f"an encoder for {head} that learns {supervision}",
            edited(make_family_job("bert", supervision=supervision), "spec.output.encoder.head", head),
            "spec.supervision",
            f"head {head} learns {fitting}: say that, or leave supervision out",
        )
        for head, supervision, fitting in (
            ("classification", "self-supervised", "supervised or semi-supervised"),
            ("masked-lm", "supervised", "self-supervised"),
            ("masked-lm", "semi-supervised", "self-supervised"),
            ("question-answering", "semi-supervised", "supervised"),
        )
    ),
    Invalid(
        "an encoder with the head of its base, which nobody here sees",
        _tuned(family="bert", output={}, supervision="supervised"),
        "spec.supervision",
        "only the trainer knows the head of a base: leave supervision out, or give output.encoder",
    ),
    *(
        Invalid(
            f"labels beside objective {objective}, which has targets of its own",
            _tuned(objective, supervision="self-supervised"),
            "spec.supervision",
            "supervision belongs to objective pretrain or finetune or prune or quantize",
        )
        for objective in ("preference", "distill")
    ),
    *(
        Invalid(
            f"pairs of answers packed with {setting}",
            _tuned("preference", training={"steps": 1, "packing": {setting: value}}),
            "spec.training.packing",
            "objective preference gives each sequence a row of its own",
        )
        for setting, value in (("strategy", "spfhp"), ("maxPerPack", 2))
    ),
    Invalid(
        "a guess that always counts",
        edited(
            make_family_job("bert", supervision="semi-supervised", semiSupervised={"threshold": "0"}),
            "spec.output.encoder.head",
            "classification",
        ),
        "spec.semiSupervised.threshold",
        "between 0 and 1",
    ),
)


def _measured(**evaluation: Any) -> Object:
    return make_training_job(evaluation=evaluation)


MEASURED = (
    Invalid(
        "a gate without bounds", _measured(gates=[{"metric": "loss"}]), "spec.evaluation.gates[0]", "a gate has a bound"
    ),
    Invalid(
        "two gates on one figure",
        _measured(gates=[{"metric": "loss", "max": "1"}, {"metric": "loss", "min": "0"}]),
        "spec.evaluation.gates[1]",
        "Duplicate",
    ),
    Invalid(
        "a bound in words",
        _measured(gates=[{"metric": "loss", "max": "low"}]),
        "spec.evaluation.gates[0].max",
        "should match",
    ),
    Invalid(
        "a figure in capitals",
        _measured(gates=[{"metric": "Loss", "max": "1"}]),
        "spec.evaluation.gates[0].metric",
        "should match",
    ),
    Invalid(
        "a target in two directions",
        _measured(everySteps=5, stopAt={"metric": "loss", "min": "1", "max": "2"}),
        "spec.evaluation.stopAt",
        "exactly one of min and max",
    ),
    Invalid(
        "a target that nobody looks at",
        _measured(stopAt={"metric": "loss", "max": "2"}),
        "spec.evaluation.everySteps",
        "set everySteps",
    ),
    Invalid(
        "a model's gate without bounds", make_model(gates=[{"metric": "loss"}]), "spec.gates[0]", "a gate has a bound"
    ),
    Invalid(
        "two adapters of one name",
        make_inference_service(adapters=[{"name": "bold", "modelRef": {"name": n}} for n in ("a", "b")]),
        "spec.adapters[1]",
        "Duplicate",
    ),
    Invalid(
        "an adapter without a name",
        make_inference_service(adapters=[{"name": "", "modelRef": {"name": "a"}}]),
        "spec.adapters[0].name",
        "at least 1",
    ),
)
