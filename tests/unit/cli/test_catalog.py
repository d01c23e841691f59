"""`hostler catalog`, `hostler use` and `hostler tune` before an API server that is imagined."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import make_cluster_model, make_dataset, make_pool
from click.testing import CliRunner, Result
from kubernetes.aio.client import Configuration

from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.catalog import entries
from hostler.cli import access
from hostler.cli.catalog import count
from hostler.cli.catalog_begin import fitting_name
from hostler.cli.main import main
from hostler.cli.tuningdata import dataset_name
from hostler.cluster.connection import Connection, ConnectionSetupError
from hostler.cluster.errors import Conflict, NotFound

Object = dict[str, Any]


class Cluster:
    """Answers what a command asks, and keeps what it creates."""

    def __init__(self, *objects: Object) -> None:
        self.objects = list(objects)
        self.created: list[Object] = []
        self.error: Exception | None = None

    async def list(self, resource: Any) -> Any:
        if self.error is not None:
            raise self.error
        found = [each for each in self.objects if each["kind"] == resource.kind]
        return type("Listing", (), {"items": found})

    async def get(self, resource: Any, *, namespace: str, name: str) -> Object:
        for each in self.objects:
            wanted = (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
            if wanted == (resource.kind, namespace, name):
                return each
        raise NotFound("not found", code=404)

    async def create(self, body: Object) -> Object:
        if any(each["metadata"]["name"] == body["metadata"]["name"] for each in self.created):
            raise Conflict("already exists", code=409)
        self.created.append(body)
        return body

    async def close(self) -> None:
        pass


def catalog_entries() -> list[Object]:
    return copy.deepcopy(list(entries().values()))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """With the chart's catalog and one pool of A100s."""
    found = Cluster(*catalog_entries(), make_pool("gpu"))

    async def connect(_kubeconfig: object) -> Connection:
        if isinstance(found.error, ConnectionSetupError):
            raise found.error
        return Connection(Configuration(host="https://cluster.example"))

    monkeypatch.setattr(access, "connect", connect)
    monkeypatch.setattr(access, "Client", lambda _connection: found)
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    return result.output


def printed(*arguments: str) -> list[Object]:
    """Manifests that a command prints on standard output alone."""
    result = run(*arguments, "--dry-run")
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


def test_every_entry_is_one_line(cluster: Cluster) -> None:
    lines = {line.split()[0]: " ".join(line.split()) for line in run("catalog").output.splitlines()}
    assert set(lines) == {"ENTRY", *entries()}
    assert lines["qwen3-8b"] == (
        "qwen3-8b chat 8.19B Apache-2.0 /v1/chat/completions /v1/completions 21.6Gi gpu lora full preference"
    )
    assert "gemma (gated)" in lines["gemma-2-2b-it"]


def test_entries_can_be_chosen_by_family_and_by_what_fits(cluster: Cluster) -> None:
    cluster.objects.append(make_pool("small", acceleratorType="nvidia-t4"))
    names = [
        each["name"] for each in json.loads(run("catalog", "--family", "chat", "--fits", "small", "--json").stdout)
    ]
    assert "smollm2-135m-instruct" in names
    assert {"qwen3-8b", "whisper-base", "tiny-chat"} & set(names) == set(), "too large; another family; nobody knows"
    assert "do not say how large they are" in run("catalog", "--fits", "small").stderr


def test_one_entry_is_told_with_bounds_pools_and_a_request(cluster: Cluster) -> None:
    text = run("catalog", "HuggingFaceTB/SmolLM2-135M-Instruct").output
    for part in (
        "parameters  134,515,008",
        "pool        gpu: fits, about 1.7Gi of the 80Gi of one nvidia-a100-80",
        "tune, method lora",
        "learningRate          2e-4       1e-6 to 1e-2",
        "rows with messages or text",
        "curl -s localhost:8000/v1/chat/completions",
        "hostler use smollm2-135m-instruct",
    ):
        assert part in text


def test_what_is_drawn_is_asked_with_all_steps_and_becomes_a_file(cluster: Cluster) -> None:
    (line,) = [each for each in run("catalog", "stable-diffusion-v1-5").output.splitlines() if "curl" in each]
    assert '"prompt": "a lighthouse by the sea in the evening"' in line
    assert "steps" not in line
    assert line.endswith("| base64 -d > image.png")
    assert "> clip.mp4" in run("catalog", "text-to-video-ms-1-7b").output
    assert "lighthouse" not in run("catalog", "tiny-painter").output


def test_programs_get_figures(cluster: Cluster) -> None:
    facts = json.loads(run("catalog", "whisper-base", "--json").output)
    assert (facts["parameters"], facts["repository"], facts["fits"]) == (72_593_920, "openai/whisper-base", ["gpu"])
    assert facts["tuning"]["full"]["learningRate"] == {"default": "3e-5", "min": "1e-7", "max": "1e-3"}
    assert "de" in facts["languages"]


@pytest.mark.parametrize(
    ("number", "want"),
    [(134_515_008, "135M"), (999_885_952, "1B"), (8_030_261_248, "8.03B"), (950, "950"), (None, "")],
)
def test_parameters_for_people(number: int | None, want: str) -> None:
    assert count(number) == want


def test_without_a_cluster_this_release_s_own_entries_are_shown(cluster: Cluster) -> None:
    cluster.error = ConnectionSetupError("no kubeconfig: set KUBECONFIG")
    assert "--offline shows what this release brings" in refused("catalog")
    assert "qwen3-8b" in run("catalog", "--offline").output


def test_a_catalog_for_kubectl_is_the_entries_themselves() -> None:
    found = list(yaml.safe_load_all(run("catalog", "--manifests").output))
    assert found == list(entries().values())


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(("catalog", "qwen-0.6b"), "did you mean qwen3-0-6b", id="a name that is nearly right"),
        pytest.param(("use", "smolm2"), "did you mean smollm2-", id="the beginning of several"),
        pytest.param(("use", "SDXL"), "did you mean stable-diffusion-xl-base-1-0", id="a name that people say"),
        pytest.param(("usee", "gpt2"), "No such command 'usee': did you mean use?", id="a command nearly right"),
        pytest.param(("zzz",), "No such command 'zzz'.", id="a command like no other"),
        pytest.param(("use", "zzz"), "`hostler catalog` lists them", id="a name like no other"),
        pytest.param(("catalog", "--family", "chatt"), "chat, code", id="no such family"),
        pytest.param(("catalog", "--fits", "gpus"), "the pools are gpu", id="no such pool to fit into"),
        pytest.param(("catalog", "--fits", "gpu", "--offline"), "--offline asks none", id="pools of no cluster"),
        pytest.param(("use", "gpt2", "--pool", "gpus"), "the pools are gpu", id="no such pool to serve on"),
        pytest.param(
            ("use", "gemma-2-2b-it"), "name gemma in catalog.acceptedLicenses", id="a licence that nobody has accepted"
        ),
        pytest.param(("use", "gpt2", "--offline"), "add --dry-run", id="nothing is made offline"),
        pytest.param(("use", "gpt2", "--offline", "--dry-run"), "name one with --pool", id="offline knows no pools"),
        pytest.param(
            ("tune", "whisper-base", "--dataset", "d", "--method", "preference"),
            "no method 'preference': it has lora, full",
            id="a method that the entry lacks",
        ),
        pytest.param(
            ("tune", "gpt2", "--dataset", "books", "--set", "steps=0"),
            "the entry allows 1 to 100000",
            id="out of bounds",
        ),
        pytest.param(("tune", "gpt2", "--dataset", "books", "--set", "steps"), "NAME=VALUE", id="no value"),
        pytest.param(("tune", "gpt2", "--dataset", "books"), "there is no Dataset books in namespace", id="no Dataset"),
        pytest.param(("tune", "gpt2", "--dataset", "./no.jsonl"), "there is no file or directory", id="no file"),
        pytest.param(
            ("tune", "gpt2", "--dataset", "books", "--claim", "c"), "books is a Dataset's name", id="a claim of a name"
        ),
    ],
)
def test_mistakes_are_told_with_the_way_out(cluster: Cluster, arguments: tuple[str, ...], want: str) -> None:
    assert want in refused(*arguments)


LONG = "a" * 53


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(
            ("use", "gpt2", "--name", "My Talk"),
            "'My Talk' is no name of an object: it takes lower-case letters, digits and -, begins with a letter and "
            "ends with a letter or digit; such as my-talk",
            id="no DNS label",
        ),
        pytest.param(("use", "gpt2", "--name", "3b"), "begins with a letter", id="a Service cannot begin with a digit"),
        pytest.param(
            ("use", "gpt2", "--name", LONG), "has 53 characters, and 52 are allowed", id="no room for children"
        ),
        pytest.param(("use", "gpt2", "-n", "team.a"), "such as team-a", id="no namespace"),
        pytest.param(("use", "gpt2", "--pool", "GPU"), "such as gpu", id="no pool"),
        pytest.param(("tune", "gpt2", "--dataset", "b", "--name", "a_b"), "such as a-b", id="of a job"),
        pytest.param(("tune", "gpt2", "--dataset", "My_Books"), "such as my-books", id="no Dataset"),
        pytest.param(("tune", "gpt2", "--dataset", "./a.jsonl", "--claim", "a/b"), "such as a-b", id="no claim"),
    ],
)
@pytest.mark.parametrize("offline", [(), ("--offline",)])
def test_names_that_the_api_server_would_refuse_are_refused_before_a_manifest_is_printed(
    cluster: Cluster, arguments: tuple[str, ...], want: str, offline: tuple[str, ...]
) -> None:
    pool = () if "--pool" in arguments else ("--pool", "gpu")
    assert want in refused(*arguments, *pool, *offline, "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "status", "want"),
    [
        pytest.param(("qwen-0.6b",), 1, "did you mean qwen3-0-6b", id="no such entry"),
        pytest.param(("--fits", "gpus"), 1, "there is no AcceleratorPool gpus", id="no such pool"),
        pytest.param(("--family", "chatt"), 2, "'chatt' is none of", id="no such family"),
        pytest.param(("gpt2", "bert"), 2, "unexpected extra argument", id="wrong arguments"),
    ],
)
def test_programs_get_failures_as_json_too(
    cluster: Cluster, arguments: tuple[str, ...], status: int, want: str
) -> None:
    done = run("catalog", *arguments, "--json")
    assert (done.exit_code, done.stderr) == (status, "")
    assert want in json.loads(done.stdout)["error"]["message"]


def test_a_cluster_that_does_not_answer_is_a_failure_in_json_too(cluster: Cluster) -> None:
    cluster.error = ConnectionSetupError("no way to the API server")
    assert "no way to the API server" in json.loads(run("catalog", "gpt2", "--json").stdout)["error"]["message"]


def test_an_empty_catalog_says_how_it_is_filled(cluster: Cluster) -> None:
    cluster.objects.clear()
    assert "catalog.enabled" in run("catalog").output
    assert "catalog.enabled" in refused("use", "gpt2")


def test_use_prints_a_service_of_the_entry(cluster: Cluster) -> None:
    (service,) = printed("use", "qwen3-0.6b", "-n", "team")
    assert service["metadata"] == {"name": "qwen3-0-6b", "namespace": "team"}
    assert service["spec"] == {
        "modelRef": {"kind": "ClusterModel", "name": "qwen3-0-6b"},
        "accelerators": {"pool": "gpu", "perPod": 1},
        "pods": {"min": 1, "max": 1},
        "resources": {"cpu": "2", "memory": "4Gi"},
    }
    InferenceServiceSpec.model_validate(service["spec"])
    assert cluster.created == []


def test_use_makes_it_once(cluster: Cluster) -> None:
    assert "InferenceService talk is made in namespace default" in run("use", "gpt2", "--name", "talk").output
    assert [each["kind"] for each in cluster.created] == ["InferenceService"]
    assert "name another with --name" in refused("use", "gpt2", "--name", "talk")


def test_pods_that_compute_on_cores_get_memory_for_the_weights(cluster: Cluster) -> None:
    cluster.objects[-1:] = [make_pool("cores", acceleratorType="cpu")]
    (service,) = printed("use", "smollm2-135m-instruct")
    assert (service["spec"]["accelerators"]["pool"], service["spec"]["resources"]["memory"]) == ("cores", "3Gi")


@pytest.mark.parametrize(
    ("pools", "want"),
    [
        pytest.param(("nvidia-t4",), "no pool takes qwen3-8b. p0: about 21.6Gi of the 16Gi", id="none is large enough"),
        pytest.param(("nvidia-a100-80", "nvidia-h200"), "several pools take qwen3-8b: name one", id="two are"),
        pytest.param((), "no AcceleratorPool is known here", id="there is none"),
    ],
)
def test_a_pool_is_chosen_only_where_there_is_no_choice(cluster: Cluster, pools: tuple[str, ...], want: str) -> None:
    cluster.objects[-1:] = [make_pool(f"p{n}", acceleratorType=kind) for n, kind in enumerate(pools)]
    assert want in refused("use", "qwen3-8b")


def test_a_pool_that_is_named_is_taken_though_it_may_be_too_small(cluster: Cluster) -> None:
    cluster.objects.append(make_pool("small", acceleratorType="nvidia-t4"))
    result = run("use", "qwen3-8b", "--pool", "small", "--dry-run")
    assert yaml.safe_load(result.stdout)["spec"]["accelerators"]["pool"] == "small"
    assert "may not fit into pool small" in result.stderr


@pytest.mark.parametrize(
    ("entry", "kind", "method", "want", "never"),
    [
        pytest.param(
            "qwen3-8b", "nvidia-a100-80", "full",
            ("--method lora needs less (", "--accelerators 2 spreads it", "(training.parallelism: sharded)"), (),
            id="all weights of what an adapter of fits",
        ),
        pytest.param(
            "llama-3-1-8b-instruct", "nvidia-t4", "lora",
            ("--accelerators 2 spreads it",),
            ("needs less",), id="even an adapter is too large for one",
        ),
        pytest.param(
            "gpt2", "nvidia-a100-80", "full", (), ("sharded", "needs less"), id="what fits needs no advice"
        ),
    ],
)  # fmt: skip
def test_what_is_too_large_for_one_accelerator_is_told_what_would_fit(
    cluster: Cluster, entry: str, kind: str, method: str, want: tuple[str, ...], never: tuple[str, ...]
) -> None:
    cluster.objects[-1:] = [make_pool("p", acceleratorType=kind), make_dataset("books", format="jsonl")]
    for each in cluster.objects:
        if each["metadata"]["name"] == entry:
            each["spec"]["acceptedLicense"] = each["spec"]["license"]
    asked = ("tune", entry, "--dataset", "books", "--method", method)
    for result in (run(*asked, "--dry-run"), run(*asked, "--pool", "p", "--dry-run")):
        assert (result.exit_code == 0) or "Error: no pool takes" in result.stderr
        for words in want:
            assert words in result.stderr
        for words in never:
            assert words not in result.stderr


@pytest.mark.parametrize(
    ("settings", "accelerators", "want"),
    [
        pytest.param((), "4", (16, 4), id="as many parts as leave each a row"),
        pytest.param(("batchSize=24", "gradientAccumulation=2"), "4", (24, 2), id="the parts that were asked for"),
        pytest.param(("batchSize=24", "gradientAccumulation=5"), "8", (24, 3), id="the nearest that share out evenly"),
    ],
)
def test_weights_are_spread_over_several_accelerators(
    cluster: Cluster, settings: tuple[str, ...], accelerators: str, want: tuple[int, int]
) -> None:
    cluster.objects.append(make_dataset("books", format="jsonl"))
    set_them = [word for each in settings for word in ("--set", each)]
    (job,) = printed("tune", "qwen3-8b", "--dataset", "books", "--accelerators", accelerators, *set_them)
    training = job["spec"]["training"]
    assert job["spec"]["accelerators"] == {"pool": "gpu", "perPod": int(accelerators)}
    assert (training["batchSize"], training["gradientAccumulation"]) == want
    assert training["parallelism"] == "sharded"
    TrainingJobSpec.model_validate(job["spec"])


@pytest.mark.parametrize(
    ("entry", "count", "want"),
    [
        pytest.param("qwen3-8b", "3", "batchSize of 16 cannot be shared out over 3", id="a batch without thirds"),
        pytest.param("qwen3-8b", "0", "1<=x<=64", id="none"),
        pytest.param("tiny-gan", "2", "family gan cannot be spread", id="networks that learn from each other"),
    ],
)
def test_what_cannot_be_spread_is_refused(cluster: Cluster, entry: str, count: str, want: str) -> None:
    assert want in refused("tune", entry, "--dataset", "books", "--accelerators", count, "--dry-run")


def test_tune_prints_a_job_whose_model_has_the_entry_as_its_base(cluster: Cluster) -> None:
    cluster.objects.append(make_dataset("books", format="jsonl"))
    (job,) = printed("tune", "smollm2-135m-instruct", "--dataset", "books", "--set", "steps=50", "--set", "rank=4")
    assert job["metadata"]["name"] == "smollm2-135m-instruct-tuned"
    spec = job["spec"]
    assert spec["base"] == {"kind": "ClusterModel", "name": "smollm2-135m-instruct"}
    assert (spec["family"], spec["objective"], spec["lora"]) == ("chat", "finetune", {"rank": 4, "alpha": 32})
    assert spec["dataset"] == {"ref": {"name": "books"}}
    assert (spec["training"]["steps"], spec["training"]["learningRate"]) == (50, "2e-4")
    assert "rank" not in spec["training"]
    assert spec["training"]["onOutOfMemory"] == "shrink", "nobody knows how many sequences the device holds at once"
    TrainingJobSpec.model_validate(spec)


def test_a_method_brings_its_own_section(cluster: Cluster) -> None:
    cluster.objects.append(make_dataset("books", format="jsonl"))
    (full,) = printed("tune", "gpt2", "--dataset", "books", "--method", "full")
    assert "lora" not in full["spec"]
    (liked,) = printed("tune", "gpt2", "--dataset", "books", "--method", "preference", "--set", "beta=0.2")
    assert (liked["spec"]["objective"], liked["spec"]["preference"]) == ("preference", {"beta": "0.2"})
    (topics,) = printed("tune", "all-minilm-l6-v2", "--dataset", "books")
    assert topics["spec"]["output"]["encoder"]["head"] == "classification"


def test_a_dataset_that_is_not_ready_is_waited_for_and_one_of_another_format_refused(cluster: Cluster) -> None:
    cluster.objects.append(make_dataset("books", format="jsonl"))
    assert "has not been looked at yet" in run("tune", "gpt2", "--dataset", "books", "--dry-run").stderr
    cluster.objects.append(make_dataset("photos", format="images"))
    assert "learns from jsonl, csv" in refused("tune", "gpt2", "--dataset", "photos")


def conversations(folder: Path, *, broken: bool = False) -> Path:
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "" if broken else "Hello"}]}
    path = folder / "Support Talks.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for _ in range(3)))
    return path


def test_a_file_of_this_machine_is_checked_and_told_how_it_gets_into_the_cluster(
    cluster: Cluster, tmp_path: Path
) -> None:
    text = refused("tune", "gpt2", "--dataset", str(conversations(tmp_path)))
    assert "3 rows" in text
    assert "no pod can read this machine" in text
    assert "--claim CLAIM" in text
    assert "kubectl create configmap support-talks" in text
    assert cluster.created == []


def test_a_file_that_cannot_be_learned_from_is_refused_by_row(cluster: Cluster, tmp_path: Path) -> None:
    text = refused("tune", "gpt2", "--dataset", str(conversations(tmp_path, broken=True)), "--claim", "data")
    assert "cannot be learned from: 3 errors" in text
    assert "Support Talks.jsonl" in text


@pytest.mark.parametrize(
    ("row", "arguments", "want"),
    [
        pytest.param(
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
            ("gpt2", "--method", "preference"),
            "learns from rows with prompt+chosen+rejected or prompt+completion+praise",
            id="conversations that nobody has judged",
        ),
        pytest.param(
            {"prompt": "Hi", "chosen": "Hello", "rejected": "No"},
            ("gpt2",),
            "has the columns chosen, prompt, rejected, and this method learns from rows with messages or text",
            id="pairs that are no conversations",
        ),
        pytest.param(
            {"text": "It rains."}, ("bert-base-uncased",), "learns from rows with text+label", id="texts without labels"
        ),
    ],
)
def test_rows_of_another_method_are_refused(
    cluster: Cluster, tmp_path: Path, row: Object, arguments: tuple[str, ...], want: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(row)}\n")
    assert want in refused("tune", *arguments, "--dataset", str(path), "--claim", "data")

    seen = make_dataset("seen", format="jsonl")
    cluster.objects.append({**seen, "status": {"roles": list(row)}})
    assert want in refused("tune", *arguments, "--dataset", "seen")


def test_a_file_on_a_claim_becomes_a_dataset_beside_the_job(cluster: Cluster, tmp_path: Path) -> None:
    path = conversations(tmp_path)
    dataset, job = printed("tune", "gpt2", "--dataset", str(path), "--claim", "data")
    assert dataset["metadata"]["name"] == "support-talks"
    assert dataset["spec"] == {
        "source": {"pvc": {"claimName": "data", "path": "Support Talks.jsonl"}},
        "format": "jsonl",
    }
    assert job["spec"]["dataset"] == {"ref": {"name": "support-talks"}}

    assert run("tune", "gpt2", "--dataset", str(path), "--claim", "data").exit_code == 0
    assert [each["kind"] for each in cluster.created] == ["Dataset", "TrainingJob"]


def test_an_entry_that_only_names_a_source_cannot_be_begun_with(cluster: Cluster) -> None:
    bare = make_cluster_model("bare")
    del bare["spec"]["family"]
    cluster.objects.append(bare)
    assert "does not say its family" in refused("use", "bare")
    assert "bare" in run("catalog").output


def test_an_entry_without_tuning_says_what_to_do_instead(cluster: Cluster) -> None:
    cluster.objects.append(make_cluster_model("plain"))
    assert "write a TrainingJob with base plain" in refused("tune", "plain", "--dataset", "books")


@pytest.mark.parametrize(
    ("entry", "ending", "want"),
    [("gpt2", "-tuned", "gpt2-tuned"), ("3b", "", "model-3b"), ("a" * 60, "-tuned", f"{'a' * 46}-tuned")],
)
def test_names_that_a_service_and_a_job_can_have(entry: str, ending: str, want: str) -> None:
    assert fitting_name(entry, ending=ending) == want


@pytest.mark.parametrize(
    ("file", "want"),
    [
        ("Support Talks.jsonl.gz", "support-talks"),
        ("talks.v1.jsonl", "talks-v1"),
        ("talks.v2.jsonl", "talks-v2"),
        ("...", "data"),
        ("x" * 80, "x" * 45),
    ],
)
def test_names_that_a_dataset_can_have(file: str, want: str) -> None:
    assert dataset_name(Path(file)) == want
