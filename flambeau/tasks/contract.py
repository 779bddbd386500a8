"""The contract of a task, executable: for our own members and for everybody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from flambeau.code import CONTEXT
from flambeau.errors import CheckFailed, DataError
from flambeau.tasks.task import Target, Task
from flambeau.types import Array

if TYPE_CHECKING:
    from torch import Tensor

HOSTILE: tuple[object, ...] = (None, "", "\0", "\ud800", "no such class", "x" * 5000, b"", float("nan"), -1, True, (), {}, object(), np.empty((0, 0)))
"""Values that nobody should give as a target, and somebody will."""

TOLERANCE = 1e-5
"""Greatest difference between the loss of an encoded target and of the same target as numbers that can be mixed."""

STEPS = 50
"""Steps in which free logits follow a loss."""


def check_task(given: Task, values: Sequence[object], hostile: Sequence[object] = HOSTILE) -> None:
    """Walks a task from the recipe to the answer, with these raw targets: fit, encode, learn, answer, decode.

    Raises:
        CheckFailed: a promise of `Task` or `Target` is broken; the message says which.
    """
    fitted = given.fit(values)
    allowed = {CONTEXT: True}  # as it runs already
    _promise(type(given).model_validate_json(given.model_dump_json(), context=allowed) == given, given, "a task survives JSON")
    _promise(TypeAdapter(type(fitted)).validate_json(fitted.model_dump_json(), context=allowed) == fitted, given, "a target survives JSON")
    _promise(given.fit(list(reversed(values))) == fitted, given, "the order of the examples changes nothing")
    _promise(fitted.out_features >= 1, given, "the head gives at least one number")
    _promise(not fitted.labels or len(fitted.labels) == len(fitted.counts), given, "each label is counted")
    _promise(len(fitted.answers) == len(fitted.units) >= 1, given, "each number of an answer has a name and a unit")
    _promise(len(given.strata(values)) == len(values), given, "each example is in a stratum")
    _promise({group for value in values for group in fitted.group(value)} <= set(fitted.groups), given, "each example is in groups that have a name")
    truths = np.stack([fitted.truth(value) for value in values])
    restored = fitted.restored(np.stack([fitted.encode(value) for value in values]))
    _promise(np.allclose(restored, truths, rtol=TOLERANCE, atol=TOLERANCE * float(np.abs(truths).max())), given, "encoded targets can be restored")
    _check_hostile(given, fitted, hostile)
    _check_learning(given, fitted, np.stack([fitted.encode(value) for value in values]), truths)
    _check_answers(given, fitted, len(values))


def _check_hostile(given: Task, fitted: Target, hostile: Sequence[object]) -> None:
    for value in hostile:
        for read in (fitted.encode, fitted.truth):
            try:
                read(value)
            except DataError as error:
                _promise(bool(str(error)), given, "an error has a text")
            except Exception as error:
                raise CheckFailed("contract-broken", member=type(given).__name__, rule=f"{type(error).__name__} instead of DataError") from error


def _check_learning(given: Task, fitted: Target, targets: Array, truths: Array) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(targets), fitted.out_features, generator=generator, requires_grad=True)
    encoded = torch.from_numpy(targets)
    loss = fitted.loss()(logits, encoded)
    _promise(tuple(loss.shape) == (len(targets),), given, "the loss is one number for each example")
    _promise(bool(torch.isfinite(loss).all()), given, "the loss is finite")
    soft = fitted.soft(encoded)
    _promise(len(soft) == len(targets) and soft.is_floating_point(), given, "soft targets are numbers that can be mixed")
    _promise(torch.allclose(fitted.loss()(logits, soft), loss, atol=TOLERANCE), given, "a soft target costs what the target itself costs")
    loss.sum().backward()
    gradient = logits.grad
    _promise(gradient is not None and bool(torch.isfinite(gradient).all()) and bool(gradient.any()), given, "the loss can be descended")
    answers = fitted.activation().eval()(_descended(fitted, encoded))
    wanted = soft if truths.ndim == 1 else torch.from_numpy(truths.astype(np.float32))
    wanted = wanted.repeat_interleave(answers.shape[1] // wanted.shape[1], 1)
    rises = ((answers - answers.mean(0)) * (wanted - wanted.mean(0))).sum()
    _promise(bool(rises > 0), given, "what is learnt from the truth answers with the truth")


def _descended(fitted: Target, targets: Tensor) -> Tensor:
    """Logits that were free to follow the loss of these targets."""
    import torch

    logits = torch.zeros(len(targets), fitted.out_features, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    loss = fitted.loss()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(logits, targets).sum().backward()
        optimizer.step()
    return logits.detach()


def _check_answers(given: Task, fitted: Target, number: int) -> None:
    import torch

    logits = torch.randn(number, fitted.out_features, generator=torch.Generator().manual_seed(1))
    answers = fitted.activation().eval()(logits).numpy()
    _promise(answers.shape == (number, len(fitted.answers)), given, "answers are (batch, answers)")
    predictions = fitted.decode(answers)
    _promise(len(predictions) == number, given, "one prediction for each answer")
    _promise(fitted.decode(answers[:1]) == predictions[:1], given, "a prediction does not depend on its batch")
    _promise(bool(fitted.agrees(answers, answers, 0.0).all()), given, "an answer agrees with itself")
    _promise(fitted.agrees(answers, answers, 0.0).shape == (number,), given, "agreement is told for each example")


def _promise(kept: bool, member: Task, rule: str) -> None:
    if not kept:
        raise CheckFailed("contract-broken", member=type(member).__name__, rule=rule)
