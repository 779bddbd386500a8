"""A timm model as the body of a network: by name, with weights from the hub or from a file, frozen or trained more slowly."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import nn

from flambeau.errors import ExtraMissing, RecipeError, ShapeError
from flambeau.messages import printable
from flambeau.naming import closest
from flambeau.network.body import Body, drawing, refuse_giant
from flambeau.network.chain import inside
from flambeau.network.cost import example, measure
from flambeau.network.layer import FEATURES, IMAGE, Shape
from flambeau.network.matching import is_counter
from flambeau.network.modules import Chain, Frozen, Levels
from flambeau.network.pretrained import HUB, TimmNetwork
from flambeau.network.weights import KeyReport, load_weights
from flambeau.types import SeenImages

_PATH = ("network", "timm")


def backbone_preparation(name: str) -> SeenImages:
    """timm's name of a model -> how the images were prepared that its pretrained weights have seen.

    Raises:
        ExtraMissing: timm is not installed.
        RecipeError: timm has no such model.
    """
    timm = _timm()
    _known(timm, name)
    config = timm.get_pretrained_cfg(name)
    _, height, width = config.input_size
    return SeenImages(name, (height, width), tuple(config.mean), tuple(config.std), config.interpolation)


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
        draft = _taken(spec, _created(timm, spec, shape, False))
    try:
        refuse_giant(draft, shape)
        _, features = measure(draft, example(shape))
    except RecipeError as error:
        raise inside(error, *_PATH) from None
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ShapeError("timm-size", path=_PATH, network=spec.name, gets=str(shape), reason=_reason(error)) from error
    with drawing(seed):
        model = _created(timm, spec, shape, pretrained and spec.weights == HUB)
    reports = _loaded(spec, model) if pretrained else ()
    model = _taken(spec, model)
    module = Frozen(model) if spec.freeze else model
    chain = Chain({"0_timm": module}, [Shape(FEATURES, tuple(features.shape[1:]))])
    notices = tuple(notice for report in reports for notice in report.notices)
    return Body(chain, features.shape[1], ((chain, spec.lr_scale),), notices=notices, reports=reports)


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


def _taken(spec: TimmNetwork, model: nn.Module) -> nn.Module:
    """What of a model makes the features."""
    if spec.levels is None:
        return model
    try:
        return Levels(model, spec.levels)
    except AssertionError as error:  # what timm raises
        count = len(model.feature_info)  # type: ignore[arg-type]
        raise RecipeError("timm-levels", path=(*_PATH, "levels"), network=spec.name, n=count) from error


def _loaded(spec: TimmNetwork, model: nn.Module) -> tuple[KeyReport, ...]:
    """The weights that the spec names put into the model; those of the hub are in it already."""
    if spec.weights is None:
        return ()
    if spec.weights == HUB:
        return (KeyReport(HUB, tuple(name for name in model.state_dict() if not is_counter(name)), (), (), ()),)
    return (load_weights(model, spec.weights, spec.rename, (*_PATH, "weights"), spec.name),)


def _reason(error: Exception) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0])
