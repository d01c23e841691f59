"""Who has to leave so that somebody in line can start: as few and as cheap victims as possible, and none too many.

A victim leaves with a checkpoint and is in line again with its age, so what a preemption costs is the work since its
newest checkpoint, which is what it may lose, and the time until it trains again. Both are device seconds.

Who may be a victim is in :mod:`victims <hostler.planning.victims>`, what would fit without some of them is the
:mod:`trial <hostler.planning.trial>`'s to say. The search is greedy, once over all candidates and
once node by node, then drops who need not leave after all and lets those who can go on with fewer pods keep what they
can. An exact answer is a covering problem; what matters is that whoever is told to leave makes the request fit, which
is checked as the planner checks it, on nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from hostler.planning.candidates import Candidates
from hostler.planning.resources import Resources, add, subtract, times
from hostler.planning.room import Room
from hostler.planning.trial import Trial
from hostler.planning.verdicts import Preempt, Request, Workload
from hostler.planning.victims import Claim, Scene, Victim, makes_room

_MANY = 64
_TIMES_AS_MANY = 8
_MOST_LOOKS = 64
"""Of a line, how many who are not the first of their account are looked at for what is left over."""


def preemptions(request: Request, scene: Scene, candidates: Candidates | None = None) -> dict[Workload, Preempt]:
    """Who has to leave for the request and was not told so before; nobody where it would not fit even then, or will fit
    when those have left who were told. ``candidates`` are those of the scene, for who asks more than once."""
    among = Candidates(scene) if candidates is None else candidates
    claim = Claim(request, scene)
    if scene.room.trouble or next(among.of(claim), None) is None:
        return {}
    trial = Trial(claim, scene, among)
    trial.free_up(each for each in among.leaving if makes_room(each, request, scene))
    if trial.fits or not trial.may_be_enough:
        return {}
    best = _best(trial)
    if not best:
        return {}
    keeps = trial.shrunk(best)
    if not trial.really_fits(best, keeps):
        return {}
    return {
        victim.held.workload: Preempt(by=request.workload, why=victim.why, keeps=keeps.get(victim.held.workload, {}))
        for victim in best
    }


def for_line(
    requests: Sequence[Request],
    scene: Scene,
    *,
    room_of: Callable[[Request], Room | None],
    candidates: Candidates | None = None,
) -> dict[Workload, Preempt]:
    """Who has to leave for those in a pool's line who do not fit: for the first of each account, so that nobody is
    stopped for one who would not come next, and no namespace waits for its own until another has got its own."""
    among = Candidates(scene) if candidates is None else candidates
    promised = {each.leaving_for for each in among.leaving}
    found, asked, now, looked = dict[Workload, Preempt](), set[str](), scene, 0
    for request in requests:
        account, room = scene.accounts.account(request.workload.namespace), room_of(request)
        first, waited_for = account not in asked, request.workload in promised
        asked.add(account)
        # Of what those leave over who have to leave, whoever comes next in line has the first call.
        takes_rest = bool(now.expected) and looked < _MOST_LOOKS and _within(request, scene)
        if room is None or not (first or waited_for or takes_rest):
            continue
        looked += not (first or waited_for)
        now = replace(now, room=room)
        more = preemptions(request, now, among) if first else {}
        found |= more
        if more or waited_for or takes_rest:
            # What comes next must neither count on what this one waits for, nor on what it will have.
            among.tell(more)
            expected = _without(request, now, among)
            among.forget(node for node in expected if expected[node] != now.expected.get(node))
            now = replace(now, expected=expected)
    return found


def _within(request: Request, scene: Scene) -> bool:
    """Whether its namespace may hold what it needs."""
    least, units = request.least, scene.room.units(request.need)
    return scene.accounts.within(request.workload.namespace, least, units=units) >= least


def _without(request: Request, scene: Scene, among: Candidates) -> dict[str, Resources]:
    """What is expected to be free for others when those have left who leave for the request, and it has its seats."""
    expected = dict(scene.expected)
    for held in among.leaving:
        if held.leaving_for == request.workload:
            for node, pods in held.given_up.items():
                if node in scene.free:
                    expected[node] = add(expected.get(node) or scene.free[node], times(pods, held.need))
    with scene.room.supposing(expected, instead_of=scene.free):
        free = {**scene.free, **expected}
        seats = scene.room.find(request, request.least, free, beside=request.beside)
    if sum(seats.values()) < request.least:
        return dict(scene.expected)
    for node, pods in seats.items():
        expected[node] = subtract(free[node], times(pods, request.need))
    return expected


def _badness(chosen: Sequence[Victim]) -> tuple[int, float, int, list[Workload]]:
    """What is to be least: the highest priority that is stopped, then what is lost, then how many are stopped."""
    worst = max(victim.held.priority for victim in chosen)
    return worst, sum(v.cost for v in chosen), len(chosen), sorted(v.held.workload for v in chosen)


def _best(trial: Trial) -> Sequence[Victim]:
    """Whoever is told to leave; nobody where nobody's leaving is enough.

    Where whole nodes are needed, the cheapest of thousands of jobs are on as many nodes, and nearly all of them would
    have to be chosen before one node is free, to stay after all. That is not gone through to the end once nodes have
    been found.
    """
    found = [chosen for nodes in trial.domains if (chosen := trial.enough(partial(trial.by_node, nodes)))]
    most = _MANY + _TIMES_AS_MANY * min(map(len, found)) if found else math.inf
    if chosen := trial.enough(trial.in_order, most=most):
        found.append(chosen)
    return min(found, key=_badness, default=())
