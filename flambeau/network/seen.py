"""What a pretrained network has seen, for the input in front of it."""

from __future__ import annotations

from flambeau.errors import RecipeError
from flambeau.network.encoder_folder import encoder_preparation
from flambeau.network.pretrained import TimmNetwork, TransformersNetwork
from flambeau.network.spec import AnyNetwork, Branches, OneInput
from flambeau.types import SeenImages, SeenTexts


def seen_by(network: AnyNetwork, name: str) -> SeenImages | SeenTexts | None:
    """A network -> how the examples were prepared that the part behind the input `name` has seen; None where it has not seen any.

    Raises:
        RecipeError: there is no such model, or its folder is incomplete; `path` addresses the node.
        ExtraMissing: timm is not installed.
    """
    if not isinstance(network, Branches):
        return _seen(network)
    try:
        return _seen(network.branches.get(name, ""))
    except RecipeError as error:
        error.path = ("network", "branches", name, *error.path[1:])
        raise


def _seen(part: OneInput) -> SeenImages | SeenTexts | None:
    if isinstance(part, TimmNetwork) and part.weights is not None:
        from flambeau.network.backbone import backbone_preparation

        return backbone_preparation(part.name)
    return encoder_preparation(part) if isinstance(part, TransformersNetwork) else None
