"""Watches pods and jobs as the API server tells of them, and remembers what no operator may let happen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from apiserver.gangs.story import DEVICES, Gang

from hostler.planning.seats import gated, node_of

Object = dict[str, Any]

_OVER = ("Succeeded", "Failed")


class Referee:
    """Fed with every event of two watches, each in order; knows nothing that a user could not see."""

    def __init__(self, gangs: Mapping[str, Gang]) -> None:
        self._gangs = dict(gangs)
        self._pools: dict[str, Sequence[str]] = {}
        """Of each node that ever was."""
        self._pods: dict[str, dict[str, Object]] = defaultdict(dict)
        """Pods that are there, by job and uid."""
        self._promised: dict[str, dict[str, int]] = {}
        """Devices by job and node, as statuses have them."""
        self._on_node = Counter[str]()
        """Devices of each node that statuses promise."""
        self.succeeded: set[str] = set()
        self.gone: set[str] = set()
        """Jobs that somebody has deleted."""
        self.crowded: dict[str, str] = {}
        """Pods that were let go to a node on which there was no room at that moment, and how much there was. Whether
        the scheduler finds the room at once says less: it may hear later than the operator that others have ended."""
        self._let_go: set[str] = set()
        self.attempts = Counter[str]()
        """The highest attempt of each job."""
        self.complaints: list[str] = []

    def add(self, gang: Gang) -> None:
        """Somebody else who plays by the rules."""
        self._gangs[gang.name] = gang

    def node(self, name: str, pools: Sequence[str]) -> None:
        """A node is there, or was."""
        self._pools[name] = pools

    # -- what is told ----------------------------------------------------------------------------------------------

    def on_pod(self, event: str, pod: Object) -> None:
        """A pod of a job."""
        name = job_of(pod)
        if event == "DELETED":
            self._pods[name].pop(pod["metadata"]["uid"], None)
            return
        self._pods[name][pod["metadata"]["uid"]] = pod
        self._check_let_go(pod)
        if pod["spec"].get("nodeName") and not is_over(pod):
            self._check_bound(self._gangs[name], pod)

    def on_job(self, event: str, job: Object) -> None:
        """A TrainingJob."""
        name, status = job["metadata"]["name"], job.get("status") or {}
        true = {each["type"] for each in status.get("conditions") or () if each["status"] == "True"}
        if event == "DELETED":
            self.gone.add(name)
        if "Succeeded" in true:
            self.succeeded.add(name)
        elif true & {"Stalled", "Failed"}:
            self._complain(f"{name} has ended for good: {status}")
        if status.get("restarts"):
            self._complain(f"{name} is said to have failed by itself: {status.get('lastFailure')}")
        self.attempts[name] = max(self.attempts[name], status.get("attempt") or 0)
        over = event == "DELETED" or bool(true & {"Succeeded", "Stalled"})
        self._promise(name, {} if over else status.get("placement") or {})

    # -- what is asked ---------------------------------------------------------------------------------------------

    def pods(self, name: str) -> list[Object]:
        """Pods of a job, in order of their names."""
        return sorted(self._pods[name].values(), key=lambda pod: str(pod["metadata"]["name"]))

    def seated(self, name: str) -> bool:
        """Whether any pod of a job has a node."""
        return any(pod["spec"].get("nodeName") for pod in self._pods[name].values())

    def whole(self, names: Iterable[str]) -> Iterator[tuple[str, list[Object]]]:
        """Those gangs all of whose pods run, with these."""
        for name in names:
            running = [pod for pod in self.pods(name) if pod["status"].get("phase") == "Running"]
            if len(running) == self._gangs[name].pods and not any(
                pod["metadata"].get("deletionTimestamp") for pod in running
            ):
                yield name, running

    def unended(self) -> list[str]:
        """Names of pods that are there and have not ended."""
        return sorted(pod["metadata"]["name"] for name in self._pods for pod in self.pods(name) if not is_over(pod))

    def halves(self) -> list[str]:
        """What is known of gangs of which some pods have a node and others not, for people."""
        found = []
        for name in self._pods:
            alive = [pod for pod in self.pods(name) if not is_over(pod)]
            nodes = [str(pod["spec"].get("nodeName") or _why(pod)) for pod in alive]
            if nodes:
                found.append(f"{name} ({self._gangs[name].pods} pods): {', '.join(nodes)}")
        return found

    # -- how -------------------------------------------------------------------------------------------------------

    def _check_let_go(self, pod: Object) -> None:
        """Once for each pod, by the API server's own order of events."""
        uid, node = pod["metadata"]["uid"], node_of(pod)
        if node is None or gated(pod) or is_over(pod) or uid in self._let_go:
            return
        self._let_go.add(uid)
        there = [each for pods in self._pods.values() for each in pods.values() if node_of(each) == node]
        taken = sum(self._gangs[job_of(each)].devices for each in there if not (gated(each) or is_over(each)))
        if taken > DEVICES:
            self.crowded[pod["metadata"]["name"]] = f"{taken} of {DEVICES} devices of {node}"

    def _check_bound(self, gang: Gang, pod: Object) -> None:
        bound = [each for each in self._pods[gang.name].values() if each["spec"].get("nodeName") and not is_over(each)]
        attempts = sorted({_attempt(each) for each in bound})
        if len(attempts) > 1:
            self._complain(f"{gang.name} runs twice: attempts {attempts} hold nodes at the same time")
        if len(bound) > gang.pods:
            self._complain(f"{gang.name} has {len(bound)} pods on nodes and asked for {gang.pods}")
        if gang.name in self.succeeded and _attempt(pod) > self.attempts[gang.name]:
            self._complain(f"{gang.name} has succeeded, and began again with pod {pod['metadata']['name']}")
        node = pod["spec"]["nodeName"]
        if gang.pool not in self._pools.get(node, ()):
            self._complain(f"{pod['metadata']['name']} is on {node}, which is not in pool {gang.pool}")

    def _promise(self, name: str, placement: Object) -> None:
        before = self._promised.get(name, {})
        now = {seat["name"]: seat["pods"] * placement["perPod"] for seat in placement.get("nodes") or ()}
        if before == now:
            return
        self._promised[name] = now
        self._on_node.subtract(before)
        self._on_node.update(now)
        for node in now:
            if self._on_node[node] > DEVICES:
                who = sorted(each for each, promised in self._promised.items() if promised.get(node))
                self._complain(f"{self._on_node[node]} of {DEVICES} devices of {node} are promised, to {who}")

    def _complain(self, text: str) -> None:
        if text not in self.complaints:
            self.complaints.append(text)


def job_of(pod: Object) -> str:
    """The job that a pod is for; empty for a stranger's."""
    return str((pod["metadata"].get("labels") or {}).get("hostler.dev/training-job", ""))


def is_over(pod: Object) -> bool:
    """Whether a pod's containers have ended."""
    return pod["status"].get("phase") in _OVER


def _attempt(pod: Object) -> int:
    return int(pod["metadata"]["labels"]["hostler.dev/attempt"])


def _why(pod: Object) -> str:
    if pod["spec"].get("schedulingGates"):
        return "waits for its seat"
    found = pod["status"].get("conditions") or ()
    return next((f"no node: {c.get('message')}" for c in found if c["type"] == "PodScheduled"), "nothing is known")
