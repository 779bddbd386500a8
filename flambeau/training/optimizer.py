"""What the loop needs of an optimizer. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Protocol):
    """What the loop needs of an optimizer; torch's own have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters with their settings; the loop writes "lr", from "initial_lr"."""

    def step(self, closure: Callable[[], Tensor]) -> object:
        """One step. The closure computes the loss and its gradients, and may be called several times."""

    def zero_grad(self) -> None:
        """Forgets all gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, but for the parameters."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
