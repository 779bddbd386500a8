"""A timm model as the body of a network: by name, with weights from the hub or from a file, frozen or trained more slowly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from flambeau.errors import ExtraMissing, Notice, RecipeError, ShapeError
from flambeau.messages import printable
from flambeau.naming import closest
from flambeau.network.body import Body, drawing, refuse_giant
from flambeau.network.chain import inside
from flambeau.network.cost import example, measure
from flambeau.network.layer import FEATURES, IMAGE, Shape
from flambeau.network.modules import Chain, Frozen
from flambeau.network.spec import HUB, TimmNetwork
from flambeau.network.weights import fit_weights, read_weights

_PATH = ("network", "timm")


@dataclass(frozen=True)
class Preparation:
    """How the images were prepared that a pretrained model has seen; the image input may follow it."""

    size: tuple[int, int]
    """Height and width in pixels."""
    mean: tuple[float, ...]
    """Of each channel, 0 to 1."""
    std: tuple[float, ...]
    interpolation: str
    """How it was resized: "bicubic", "bilinear"."""


def backbone_preparation(name: str) -> Preparation:
    """timm's name of a model -> how its images are prepared.

    Raises:
        ExtraMissing: timm is not installed.
        RecipeError: timm has no such model.
    """
    timm = _timm()
    _known(timm, name)
    config = timm.get_pretrained_cfg(name)
    _, height, width = config.input_size
    return Preparation((height, width), tuple(config.mean), tuple(config.std), config.interpolation)


def build_backbone(spec: TimmNetwork, shape: Shape, seed: int, pretrained: bool) -> Body:
    """A timm model for examples (channels, height, width) -> its module without the classifier: (batch, *shape) -> (batch, features).

    Raises:
        ExtraMissing: timm is not installed.
        ShapeError: not an image, or a size that the model does not take.
        RecipeError: an unknown model, weights that cannot be had or do not fit, a frozen model without weights.
    """
    if shape.axes != IMAGE:
        raise ShapeError("timm-needs-image", path=_PATH, network=spec.name, gets=str(shape))
    if spec.freeze and spec.weights is None:
        raise RecipeError("freeze-untrained", path=(*_PATH, "freeze"), network=spec.name)
    timm = _timm()
    _known(timm, spec.name)
    with torch.device("meta"):
        draft = _created(timm, spec, shape, False)
    try:
        refuse_giant(draft, shape)
        _, features = measure(draft, example(shape))
    except RecipeError as error:
        raise inside(error, *_PATH) from None
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ShapeError("timm-size", path=_PATH, network=spec.name, gets=str(shape), reason=_reason(error)) from error
    with drawing(seed):
        model = _created(timm, spec, shape, pretrained and spec.weights == HUB)
    notices = _loaded(spec, model) if pretrained and spec.weights not in (None, HUB) else ()
    module = Frozen(model) if spec.freeze else model
    chain = Chain({"0_timm": module}, [Shape(FEATURES, tuple(features.shape[1:]))])
    return Body(chain, features.shape[1], ((chain, spec.lr_scale),), notices=notices)


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ExtraMissing("timm-missing") from error
    assert isinstance(timm, ModuleType)
    return timm


def _known(timm: ModuleType, name: str) -> None:
    names = timm.list_pretrained() if "." in name else timm.list_models()
    if name not in names:
        guess = closest(name, names)
        raise RecipeError("timm-unknown", path=(*_PATH, "name"), network=printable(name), guess=guess)


def _created(timm: ModuleType, spec: TimmNetwork, shape: Shape, pretrained: bool) -> nn.Module:
    channels, height, width = shape.concrete
    options: dict[str, Any] = {"img_size": (height, width)} if timm.get_pretrained_cfg(spec.name).fixed_input_size else {}
    try:
        model = timm.create_model(spec.name, pretrained=pretrained, in_chans=channels, num_classes=0, **options)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        if pretrained:
            raise RecipeError("weights-unreachable", path=(*_PATH, "weights"), network=spec.name, reason=_reason(error)) from error
        raise ShapeError("timm-size", path=_PATH, network=spec.name, gets=str(shape), reason=_reason(error)) from error
    assert isinstance(model, nn.Module)
    return model


def _loaded(spec: TimmNetwork, model: nn.Module) -> tuple[Notice, ...]:
    """The weights of a file put into the model; what did not fit is noticed."""
    assert spec.weights is not None
    path = Path(spec.weights)
    weights: Mapping[str, Tensor] = read_weights(path, (*_PATH, "weights"))
    report = fit_weights(model, weights)
    if not report.loaded:
        raise RecipeError("weights-do-not-fit", path=(*_PATH, "weights"), file=str(path), network=spec.name, keys=report.example)
    if not report.missing and not report.differing:
        return ()
    facts: dict[str, object] = {
        "file": str(path),
        "loaded": len(report.loaded),
        "total": len(report.loaded) + len(report.missing) + len(report.differing),
        "missing": ", ".join([*report.differing, *report.missing][:5]),
    }
    return (Notice("weights-in-part", facts),)


def _reason(error: Exception) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0])
