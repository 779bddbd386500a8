"""The optimizers that a recipe can name. The first line of each docstring says what it is good for: the catalogue shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from flambeau.choice import OneOf
from flambeau.errors import RecipeError
from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizer_config import LearningRate, OptimizerConfig, Share, WeightDecay, torch_groups
from flambeau.training.optimizers_adaptive import Adadelta, Adafactor, Adamax, Asgd, NAdam, RAdam, Rprop

if TYPE_CHECKING:
    from flambeau.training.parameters import ParameterGroup


class Sgd(OptimizerConfig):
    """Steps along the gradient with momentum; the best final accuracy on many image networks, if the learning rate is well chosen."""

    name: ClassVar[str] = "sgd"
    can_fuse: ClassVar[bool] = True

    lr: LearningRate = 0.1
    """Learning rate: the length of a step, before the schedule scales it."""
    momentum: Share = 0.9
    """Share of the last direction that is kept."""
    nesterov: bool = True
    """Look ahead along the momentum; without momentum it means nothing."""
    weight_decay: WeightDecay = 5e-4
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch.optim import SGD

        nesterov = self.nesterov and self.momentum > 0
        return SGD(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, momentum=self.momentum, nesterov=nesterov, fused=fused)


class Adam(OptimizerConfig):
    """Scales each weight's step by its own gradients; needs little tuning. Its weight decay is weaker than it looks: prefer adamw."""

    name: ClassVar[str] = "adam"
    can_fuse: ClassVar[bool] = True

    lr: LearningRate = 1e-3
    """Learning rate: the length of a step, before the schedule scales it."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Share that is kept of the running mean of the gradient, and of its square."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.Adam(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, betas=self.betas, eps=self.eps, fused=fused)


class AdamW(OptimizerConfig):
    """Adam with weight decay apart from the gradient; the safe first choice for most networks."""

    name: ClassVar[str] = "adamw"
    can_fuse: ClassVar[bool] = True

    lr: LearningRate = 3e-3
    """Learning rate: the length of a step, before the schedule scales it."""
    weight_decay: WeightDecay = 0.05
    """Share of a weight, times the learning rate, that each step takes away. Not on norms and biases."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Share that is kept of the running mean of the gradient, and of its square."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.AdamW(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, betas=self.betas, eps=self.eps, fused=fused)


class RmsProp(OptimizerConfig):
    """Scales each weight's step by its recent gradients; an older choice, still good for recurrent networks."""

    name: ClassVar[str] = "rmsprop"

    lr: LearningRate = 1e-3
    """Learning rate: the length of a step, before the schedule scales it."""
    alpha: Share = 0.99
    """Share that is kept of the running mean of the squared gradient."""
    momentum: Share = 0.0
    """Share of the last direction that is kept."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch.optim import RMSprop

        return RMSprop(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, alpha=self.alpha, momentum=self.momentum, eps=self.eps)


class Adagrad(OptimizerConfig):
    """Shortens the step of a weight the more it has moved; good where many features are rare, as in text."""

    name: ClassVar[str] = "adagrad"
    can_fuse: ClassVar[bool] = True

    lr: LearningRate = 1e-2
    """Learning rate: the length of a step, before the schedule scales it."""
    lr_decay: float = Field(0.0, ge=0, le=1)
    """The learning rate is divided by 1 + steps x this."""
    eps: float = Field(1e-10, gt=0, le=1)
    """Added to the divisor; bounds the first steps."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        groups_of_torch = torch_groups(groups, self.lr, self.weight_decay)
        on_cuda = any(parameter.is_cuda for group in groups for parameter in group.parameters)  # torch has no fused kernel for it there
        return optim.Adagrad(groups_of_torch, lr=self.lr, lr_decay=self.lr_decay, eps=self.eps, fused=fused and not on_cuda)


class Muon(OptimizerConfig):
    """Makes the step of each hidden matrix or convolution orthogonal; reaches an accuracy in fewer epochs than adamw, at more work per step.

    The first layer, the last layer, embeddings, norms and biases go to `rest`.
    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024.
    """

    name: ClassVar[str] = "muon"
    can_fuse: ClassVar[bool] = True

    lr: LearningRate = 0.02
    """Learning rate of the hidden matrices, before the schedule scales it."""
    momentum: Share = 0.95
    """Share of the last direction that is kept."""
    nesterov: bool = True
    """Look ahead along the momentum."""
    weight_decay: WeightDecay = 0.01
    """Share of a weight, times the learning rate, that each step takes away."""
    scaling: Literal["original", "match_rms_adamw"] = "original"
    """How a matrix that is not square scales its step; match_rms_adamw takes learning rates that were found for adamw."""
    num_iterations: int = Field(5, ge=1, le=20)
    """Newton-Schulz iterations that make the step orthogonal."""
    rest: Annotated[AdamW | Sgd, OneOf("optimizer", AdamW, Sgd)] = AdamW()
    """Optimizer of everything that is not a hidden matrix."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from flambeau.training.muon import Composite, MatrixMuon, MuonSettings

        hidden = [group for group in groups if group.hidden]
        others = [group for group in groups if not group.hidden]
        parts: dict[str, Optimizer] = {}
        if hidden:
            settings = MuonSettings(self.momentum, self.nesterov, self.num_iterations, self.scaling)
            parts["muon"] = MatrixMuon(torch_groups(hidden, self.lr, self.weight_decay), settings)
        if others:
            parts["rest"] = self.rest.build(others, fused)
        return Composite(parts)


class Lbfgs(OptimizerConfig):
    """Measures the curvature and searches along each step; for small networks and small data, to a precise minimum.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.5 and 3.5.
    """

    name: ClassVar[str] = "lbfgs"
    full_batch: ClassVar[bool] = True

    lr: LearningRate = 1.0
    """Length of the first step that the line search tries."""
    max_iterations: int = Field(20, ge=1, le=10_000)
    """Iterations in one step (one epoch)."""
    history: int = Field(10, ge=1, le=1000)
    """Steps whose curvature is remembered."""
    line_search: Literal["strong_wolfe", "none"] = "strong_wolfe"
    """How the length of a step is found; "none" takes lr as it is."""
    mini_batch: bool = False
    """Allow a batch_size other than "all". The curvature is then measured on examples that change, and the steps can go astray."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch.optim import LBFGS

        if any(group.lr_scale != 1.0 or group.starts for group in groups):
            raise RecipeError("lbfgs-lr-scale", path=("training", "optimizer", "lbfgs"))
        optimizer: Optimizer = LBFGS(
            [{"params": [parameter for group in groups for parameter in group.parameters], "initial_lr": self.lr, "starts": 0}],
            lr=self.lr,
            max_iter=self.max_iterations,
            history_size=self.history,
            line_search_fn=None if self.line_search == "none" else self.line_search,
        )
        return optimizer


class ScheduleFree(OptimizerConfig):
    """Averages the weights as it goes, so that no schedule and no number of epochs has to be known before; good where one trains on.

    Source: Defazio et al., The Road Less Scheduled, 2024, algorithm 1.
    """

    name: ClassVar[str] = "schedule_free"
    averages: ClassVar[bool] = True

    lr: LearningRate = 3e-3
    """Learning rate: the length of a step."""
    kind: Literal["adamw", "sgd"] = "adamw"
    """What a step is made from: each weight's step scaled by its own gradients, or the plain gradient (then lr is about 1)."""
    momentum: float = Field(0.9, gt=0, lt=1)
    """How far the place where the gradient is taken lies towards the mean."""
    beta2: Share = 0.999
    """Share that is kept of the running mean of the squared gradient (adamw)."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0 (adamw)."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from flambeau.training.schedule_free import ScheduleFreeOptimizer

        beta2 = self.beta2 if self.kind == "adamw" else None
        return ScheduleFreeOptimizer(torch_groups(groups, self.lr, self.weight_decay), self.lr, self.momentum, beta2, self.eps)


BASES = OneOf("optimizer", AdamW, Sgd, Adam, RmsProp)
"""What sam can take its steps with."""


class Sam(OptimizerConfig):
    """Looks for flat minima: steps by the gradient at the worst place near by; often more accurate, at twice the work per step.

    Source: Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, ICLR 2021.
    """

    name: ClassVar[str] = "sam"

    lr: LearningRate = AdamW().lr
    """Learning rate, before the schedule scales it. Default: that of `base`."""
    rho: float = Field(0.05, gt=0, le=10)
    """Distance to the place where the gradient is taken, as L2 norm over all weights."""
    base: Annotated[AdamW | Sgd | Adam | RmsProp, BASES] = AdamW()
    """Optimizer that takes the step."""

    @model_validator(mode="before")
    @classmethod
    def _rate_of_base(cls, said: Any) -> Any:
        """Without a learning rate of its own it takes that of `base`."""
        if not isinstance(said, Mapping) or said.get("lr") is not None:
            return said
        try:
            return {**said, "lr": BASES.read(said.get("base", "adamw")).lr}  # type: ignore[union-attr]  # no plain words among them
        except ValidationError:
            return {name: value for name, value in said.items() if name != "lr"}  # the field itself tells what is wrong

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from flambeau.training.sharpness import SharpnessAware

        return SharpnessAware(self.base.model_copy(update={"lr": self.lr}).build(groups, None), self.rho)


OPTIMIZERS: tuple[type[OptimizerConfig], ...] = (
    *(AdamW, Sgd, Adam, RmsProp, Adagrad, Muon, ScheduleFree, Sam, NAdam, RAdam, Adamax, Adadelta, Adafactor, Asgd, Rprop, Lbfgs),
)
AnyOptimizer = Annotated[
    AdamW | Sgd | Adam | RmsProp | Adagrad | Muon | ScheduleFree | Sam | NAdam | RAdam | Adamax | Adadelta | Adafactor | Asgd | Rprop | Lbfgs,
    OneOf("optimizer", *OPTIMIZERS),
]


@dataclass(frozen=True)
class OptimizerEntry:
    """One line of the catalogue."""

    name: str
    batch: Literal["mini-batch", "full batch"]
    good_for: str
    settings: Mapping[str, object]
    """Defaults by name."""


def optimizer_catalogue() -> list[OptimizerEntry]:
    """All optimizers, the usual choice first: name, kind of batch, what it is good for, settings."""
    return [_entry(kind.model_validate({})) for kind in OPTIMIZERS]


def _entry(config: OptimizerConfig) -> OptimizerEntry:
    good_for = (type(config).__doc__ or "").partition("\n")[0]
    return OptimizerEntry(config.name, "full batch" if config.full_batch else "mini-batch", good_for, config.model_dump(mode="json"))
