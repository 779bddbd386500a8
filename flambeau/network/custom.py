"""A network that is a class of the user. Its code runs, so it is loaded only where that is allowed."""

from __future__ import annotations

from importlib import import_module

import torch
from torch import Tensor, nn

from flambeau.errors import RecipeError, ShapeError
from flambeau.messages import printable
from flambeau.network.body import Body, drawing
from flambeau.network.chain import build_chain
from flambeau.network.cost import evaluating, example
from flambeau.network.layer import FEATURES, IMAGE, SEQUENCE, Shape
from flambeau.network.modules import Chain
from flambeau.network.pooling import GlobalAvgPool
from flambeau.network.pretrained import CustomNetwork
from flambeau.network.weights import load_weights

_PATH = ("network", "custom")
_AXES = {2: FEATURES, 3: SEQUENCE, 4: IMAGE}
"""What a result of so many axes, the batch included, is taken for."""


def build_custom(spec: CustomNetwork, shape: Shape, seed: int, allow_code: bool, pretrained: bool) -> Body:
    """A class of the user -> its module, and a global pool behind it where it does not give features.

    What it gives is found by running it on two examples of zeros on the CPU, so its code may look at the numbers.

    Raises:
        RecipeError: not allowed, not found, not a module, it fails, or its weights do not fit.
        ShapeError: it fails on the example, or does not give one tensor with the batch axis in front.
    """
    if not allow_code:
        raise RecipeError("code-not-allowed", path=(*_PATH, "target"), target=spec.target)
    with drawing(seed):
        module = _made(spec, _loaded(spec.target))
    wanted = spec.weights if pretrained else None
    reports = () if wanted is None else (load_weights(module, wanted, spec.rename, (*_PATH, "weights"), spec.target),)
    after = _tried(spec.target, module, shape)
    modules, shapes = {"0_custom": module}, [after]
    if after.axes != FEATURES:
        pool = build_chain((GlobalAvgPool(),), after)
        modules["1_global_avg_pool"] = pool
        shapes.append(pool.shapes[-1])
    notices = tuple(notice for report in reports for notice in report.notices)
    return Body(Chain(modules, shapes), shapes[-1].concrete[0], on_meta=False, notices=notices, reports=reports)


def _loaded(target: str) -> type[nn.Module]:
    package, name = target.split(":")
    try:
        found = getattr(import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise RecipeError("code-not-found", path=(*_PATH, "target"), target=target, reason=printable(error)) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise RecipeError("code-not-module", path=(*_PATH, "target"), target=target)
    return found


def _made(spec: CustomNetwork, cls: type[nn.Module]) -> nn.Module:
    try:
        return cls(**spec.arguments)
    except Exception as error:  # the user's code may raise anything
        raise RecipeError("code-fails", path=(*_PATH, "arguments"), target=spec.target, reason=_reason(error)) from error


def _tried(target: str, module: nn.Module, shape: Shape) -> Shape:
    """The shape of one result, found by running the module."""
    examples = example(shape, 2, "cpu")
    try:
        with evaluating(module), torch.no_grad():
            result = module(examples)
    except Exception as error:  # the user's code may raise anything
        raise ShapeError("custom-fails", path=(*_PATH, "target"), target=target, gets=str(shape), reason=_reason(error)) from error
    if not isinstance(result, Tensor) or result.ndim not in _AXES or len(result) != len(examples) or not result.is_floating_point():
        got = " x ".join(map(str, result.shape)) if isinstance(result, Tensor) else type(result).__name__
        raise ShapeError("custom-result", path=(*_PATH, "target"), target=target, got=got)
    return Shape(_AXES[result.ndim], tuple(result.shape[1:]))


def _reason(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
