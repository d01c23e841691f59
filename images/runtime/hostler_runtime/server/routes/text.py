"""``/v1/fill-mask``, ``/v1/classify``, ``/v1/answers``: what an encoder's heads say about texts.

These are not OpenAI's; they look like its embeddings: ``{"object": "list", "data": [...], "model", "usage"}``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.protocols.tasks import (
    Candidate,
    CandidatesResult,
    ClassifyRequest,
    FillMaskRequest,
    QuestionRequest,
    TaskRequest,
)
from hostler_runtime.server.body import read_json
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import invalid_type, invalid_value
from hostler_runtime.server.fields import NEUTRAL, Fields, texts
from hostler_runtime.server.responses import usage_of
from hostler_runtime.server.routes.endpoint import Endpoint

MAX_INPUTS: Final = 2048
MAX_TOP_K: Final = 1000

Item = Callable[[int, CandidatesResult], dict[str, Any]]


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Three."""

    async def fill_mask(request: Request) -> Response:
        fields, top_k = await _opened(request, desk, default=5)
        inputs = texts(fields.required("inputs"), "inputs", most=MAX_INPUTS)
        fields.refuse_rest(NEUTRAL)
        return await _answered(request, desk, [FillMaskRequest(one, top_k) for one in inputs], item=_masks)

    async def classify(request: Request) -> Response:
        fields, top_k = await _opened(request, desk, default=5)
        inputs = texts(fields.required("inputs"), "inputs", most=MAX_INPUTS)
        fields.refuse_rest(NEUTRAL)
        return await _answered(request, desk, [ClassifyRequest(one, top_k) for one in inputs], item=_labels)

    async def answers(request: Request) -> Response:
        fields, top_k = await _opened(request, desk, default=1)
        inputs = _questions(fields.required("inputs"))
        fields.refuse_rest(NEUTRAL)
        return await _answered(request, desk, [QuestionRequest(*one, top_k) for one in inputs], item=_answers)

    return (
        Endpoint(path="fill-mask", answer=fill_mask, tasks=(FillMaskRequest,), proof="data.0.masks.0"),
        Endpoint(path="classify", answer=classify, tasks=(ClassifyRequest,), proof="data.0.labels"),
        Endpoint(path="answers", answer=answers, tasks=(QuestionRequest,), proof="data.0.answers"),
    )


async def _opened(request: Request, desk: Desk, *, default: int) -> tuple[Fields, int]:
    """The request's fields, and how many candidates it wants."""
    fields = Fields(await read_json(request))
    desk.take_model(fields)
    return fields, fields.integer("top_k", low=1, high=MAX_TOP_K) or default


async def _answered(request: Request, desk: Desk, tasks: Sequence[TaskRequest], *, item: Item) -> Response:
    results = await desk.answers(request, tasks, param="inputs", result=CandidatesResult)
    data = [{"index": index, **item(index, result)} for index, result in enumerate(results)]
    document = {"object": "list", "data": data, "model": desk.config.model_id}
    return JSONResponse(document | {"usage": usage_of([result.work for result in results])})


def _questions(value: Any) -> list[tuple[str, str]]:
    """Questions with their contexts."""
    several = value if isinstance(value, list) else [value]
    if not 1 <= len(several) <= MAX_INPUTS:
        raise invalid_value("inputs", f"expected 1 to {MAX_INPUTS} of them, not {len(several)}.")
    questions = []
    for index, one in enumerate(several):
        where = f"inputs[{index}]" if isinstance(value, list) else "inputs"
        if not isinstance(one, dict):
            raise invalid_type(where, want="an object with 'question' and 'context'")
        fields = Fields({f"{where}.{name}": part for name, part in one.items()})
        questions.append((fields.required_text(f"{where}.question"), fields.required_text(f"{where}.context")))
        fields.refuse_rest({})
    return questions


def _masks(index: int, result: CandidatesResult) -> dict[str, Any]:
    return {"object": "fill_mask", "masks": [[_mask(one) for one in each] for each in result.candidates]}


def _mask(one: Candidate) -> dict[str, Any]:
    return {"text": one.text, "token": one.token, "score": one.score}


def _labels(index: int, result: CandidatesResult) -> dict[str, Any]:
    labels = [{"label": one.text, "score": one.score} for one in result.candidates[0]]
    return {"object": "classification", "labels": labels}


def _answers(index: int, result: CandidatesResult) -> dict[str, Any]:
    answers = [
        {"text": one.text, "score": one.score, "start": one.start, "end": one.end} for one in result.candidates[0]
    ]
    return {"object": "answers", "answers": answers}
