"""Knowledge distillation (arXiv 1503.02531): a smaller model learns from the softened answers of a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as functional

from hostler_contract import JobConfig, ModelConfig, Objective
from hostler_runtime.objectives.decorator import Decorator
from hostler_runtime.protocols.training import Batch, LossSum, Stage, Update


class Distill(Decorator):
    """The job's model block is the student, the base model the teacher; both share the teacher's tokenizer."""

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """A fresh student, as a family builds one for this objective. The teacher stays outside of it: checkpoints need
        no second copy of a model that is there."""
        base = {"kind": Objective.FINETUNE}
        as_it_is = {"objective": job.objective.model_copy(update=base), "model": ModelConfig()}
        self._teacher = self._half.build(job.model_copy(update=as_it_is), dataset).eval().requires_grad_(False)
        return self._half.build(job, dataset)

    def beside(self) -> tuple[torch.nn.Module, ...]:
        """The teacher, which learns nothing."""
        return (self._teacher,)

    def original(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The teacher."""
        return self._teacher

    def counterpart(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """The teacher, which is another network than the student."""
        return self._teacher

    def stages(self, job: JobConfig, model: Any, dataset: Any) -> Sequence[Stage]:
        """The family's, with the teacher's targets beside the data's."""
        logits = self.asked("logits").logits
        settings = job.objective.distill

        def decorated(update: Update) -> Update:
            def loss(module: Any, batch: Batch) -> LossSum:
                answers, targets = logits(module, batch)
                with torch.no_grad():
                    # Where the batch is: the core moves the student, and nobody else knows the teacher.
                    softened, _ = logits(self._teacher.to(answers.device), batch)
                hard = functional.cross_entropy(answers.float(), targets, reduction="sum")
                soft = softened_divergence(answers, softened, temperature=settings.temperature)
                share = settings.teacher_weight
                return LossSum(
                    total=(1 - share) * hard + share * soft,
                    weight=targets.numel(),
                    parts={"data": hard, "teacher": soft},
                )

            return replace(update, loss=loss)

        stages = self._half.stages(job, model, dataset)
        return [replace(stage, updates=tuple(decorated(update) for update in stage.updates)) for stage in stages]


def softened_divergence(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Sum over targets of KL(teacher || student) at a temperature, times its square, which keeps gradients as large."""
    answers = functional.log_softmax(student.float() / temperature, dim=-1)
    wanted = functional.log_softmax(teacher.float() / temperature, dim=-1)
    return functional.kl_div(answers, wanted, reduction="sum", log_target=True) * temperature**2
