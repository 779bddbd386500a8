"""A text encoder of transformers as the body of a network: ids and their mask -> the features of a text."""

# ruff: noqa: D102  # forward: as the class says
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flambeau.errors import ExtraMissing, RecipeError, ShapeError
from flambeau.messages import printable
from flambeau.network.body import Body, drawing, refuse_giant
from flambeau.network.chain import inside
from flambeau.network.cost import example, measure
from flambeau.network.encoder_folder import PATH, encoder_config, encoder_folder
from flambeau.network.layer import FEATURES, IDS, Shape
from flambeau.network.modules import Chain, Frozen
from flambeau.network.modules_time import FirstTime, MaxTime, MeanTime
from flambeau.network.padding import Flow, OverTime, flow, parts
from flambeau.network.pretrained import HUB, OWN, TransformersNetwork
from flambeau.network.weights import KeyReport, load_weights

_POOLS: Mapping[str, type[OverTime]] = {"mean": MeanTime, "class": FirstTime, "max": MaxTime}


class Encoder(OverTime):
    """Ids of a text (batch, time) -> its features (batch, features): the encoder's last states, pooled over the real times."""

    def __init__(self, model: nn.Module, padding: int, pool: OverTime) -> None:
        super().__init__()
        self.model = model
        self.padding = padding
        """The id that the encoder takes for padding: some tell the places of the words by it."""
        self.pool = pool

    def forward(self, x: Flow) -> Tensor:
        ids, mask = parts(x)
        if mask is not None:
            ids = torch.where(mask, ids, self.padding)
        states = self.model(input_ids=ids, attention_mask=None if mask is None else mask.long()).last_hidden_state  # batch time features
        return self.pool(flow(states, mask))  # type: ignore[no-any-return]


def build_encoder(spec: TransformersNetwork, shape: Shape, seed: int, pretrained: bool) -> Body:
    """An encoder for texts (time,) of ids -> its module: (batch, time) -> (batch, features). Code in its folder is never run.

    Raises:
        ExtraMissing: transformers is not installed.
        ShapeError: not a text.
        RecipeError: no such folder, no encoder, ids that it does not have, weights that do not fit, a frozen encoder without weights.
    """
    if shape.axes != IDS:
        raise ShapeError("encoder-needs-text", path=PATH, network=printable(spec.name), gets=str(shape))
    if spec.freeze and spec.weights is None:
        raise RecipeError("freeze-untrained", path=(*PATH, "freeze"), network=printable(spec.name))
    config = _config(spec)
    _refuse_ids(spec, config, shape)
    with torch.device("meta"):
        draft = _made(spec, config)
    try:
        refuse_giant(draft, shape)
        _, features = measure(draft, example(shape))
    except RecipeError as error:
        raise inside(error, *PATH) from None
    except Exception as error:  # whatever the model's own code raises when it is no encoder
        raise _no_encoder(spec, error) from error
    with drawing(seed):
        encoder = _made(spec, config)
    reports = (_loaded(spec, encoder.model),) if pretrained and spec.weights is not None else ()
    notices = tuple(notice for report in reports for notice in report.notices)
    chain = Chain({"0_transformers": Frozen(encoder) if spec.freeze else encoder}, [Shape(FEATURES, tuple(features.shape[1:]))])
    return Body(chain, features.shape[1], ((chain, spec.lr_scale),), notices=notices, reports=reports)


def _config(spec: TransformersNetwork) -> Any:
    """transformers' own configuration object."""
    fields = dict(encoder_config(spec))
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise ExtraMissing("transformers-missing") from error
    try:
        return AutoConfig.for_model(fields.pop("model_type"), **fields)
    except Exception as error:  # a damaged configuration may raise anything
        raise _no_encoder(spec, error) from error


def _refuse_ids(spec: TransformersNetwork, config: Any, shape: Shape) -> None:
    known = getattr(config, "vocab_size", None)
    assert isinstance(shape.categories, int)
    if not isinstance(known, int) or shape.categories > known:
        raise RecipeError("encoder-ids", path=(*PATH, "name"), network=printable(spec.name), ids=shape.categories, known=known or 0)


def _made(spec: TransformersNetwork, config: Any) -> Encoder:
    from transformers import AutoModel

    makers: Any = AutoModel
    try:
        model = makers.from_config(config, trust_remote_code=False).float()
    except Exception as error:  # as above
        raise _no_encoder(spec, error) from error
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = None  # what it makes of the first token is not used, so it would learn nothing and be exported for nothing
    padding = getattr(config, "pad_token_id", None)
    return Encoder(model, padding if isinstance(padding, int) else 0, _POOLS[spec.pooling]())


def _loaded(spec: TransformersNetwork, model: nn.Module) -> KeyReport:
    assert spec.weights is not None
    weights = str(encoder_folder(spec)) if spec.weights in (OWN, HUB) else spec.weights
    return load_weights(model, weights, spec.rename, (*PATH, "weights"), printable(spec.name))


def _no_encoder(spec: TransformersNetwork, error: Exception) -> RecipeError:
    reason = printable(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
    return RecipeError("encoder-fails", path=(*PATH, "name"), network=printable(spec.name), reason=reason)
