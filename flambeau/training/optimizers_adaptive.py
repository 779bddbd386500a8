"""Further optimizers of torch, each with a reason to be taken. The first line of each docstring says what it is good for.

torch.optim.SparseAdam is not among them: it takes sparse gradients alone, and no layer here gives such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from flambeau.errors import RecipeError
from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizer_config import LearningRate, OptimizerConfig, Share, WeightDecay, torch_groups

if TYPE_CHECKING:
    from flambeau.training.parameters import ParameterGroup


class NAdam(OptimizerConfig):
    """Adam that looks ahead along its momentum, with weight decay apart; often a little faster than adamw at the start.

    Source: Dozat, Incorporating Nesterov Momentum into Adam, 2016.
    """

    name: ClassVar[str] = "nadam"

    lr: LearningRate = 2e-3
    """Learning rate: the length of a step, before the schedule scales it."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Share that is kept of the running mean of the gradient, and of its square."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""
    weight_decay: WeightDecay = 0.01
    """Share of a weight, times the learning rate, that each step takes away. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.NAdam(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, betas=self.betas, eps=self.eps, decoupled_weight_decay=True)


class RAdam(OptimizerConfig):
    """Adam that holds back while its variance is unknown, with weight decay apart; needs no warm-up.

    Source: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020.
    """

    name: ClassVar[str] = "radam"

    lr: LearningRate = 1e-3
    """Learning rate: the length of a step, before the schedule scales it."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Share that is kept of the running mean of the gradient, and of its square."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""
    weight_decay: WeightDecay = 0.01
    """Share of a weight, times the learning rate, that each step takes away. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.RAdam(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, betas=self.betas, eps=self.eps, decoupled_weight_decay=True)


class Adamax(OptimizerConfig):
    """Adam with the largest recent gradient as the scale; steady where single gradients are huge, as with rare words.

    Source: Kingma and Ba, Adam, ICLR 2015, section 7.1.
    """

    name: ClassVar[str] = "adamax"

    lr: LearningRate = 2e-3
    """Learning rate: the length of a step, before the schedule scales it."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Share that is kept of the running mean of the gradient, and of its square."""
    eps: float = Field(1e-8, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.Adamax(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, betas=self.betas, eps=self.eps)


class Adadelta(OptimizerConfig):
    """Finds the length of its steps by itself; a fallback where no learning rate is known.

    Source: Zeiler, ADADELTA, 2012.
    """

    name: ClassVar[str] = "adadelta"

    lr: LearningRate = 1.0
    """Learning rate: the length of a step, before the schedule scales it."""
    rho: Share = 0.9
    """Share that is kept of the running means of squared gradients and squared steps."""
    eps: float = Field(1e-6, gt=0, le=1)
    """Added to the divisor; bounds the step of a weight whose gradient is almost 0."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.Adadelta(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, rho=self.rho, eps=self.eps)


class Adafactor(OptimizerConfig):
    """Adam's scaling from row and column sums: almost no memory beside the weights; for large matrices.

    Source: Shazeer and Stern, Adafactor, ICML 2018.
    """

    name: ClassVar[str] = "adafactor"

    lr: LearningRate = 1e-2
    """Learning rate: the length of a step, before the schedule scales it."""
    beta2_decay: float = Field(-0.8, ge=-10, lt=0)
    """Power of the step's number by which the running mean of the squared gradient forgets ever less."""
    clip_step: float = Field(1.0, gt=0, le=1000)
    """Largest root mean square of a matrix's step, in learning rates."""
    weight_decay: WeightDecay = 0.0
    """Share of a weight, times the learning rate, that each step takes away. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.Adafactor(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, beta2_decay=self.beta2_decay, d=self.clip_step)


class Asgd(OptimizerConfig):
    """Plain gradient steps that get shorter as the run goes on; for convex problems on many examples.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; the steps alone: for the mean take training.ema.
    """

    name: ClassVar[str] = "asgd"

    lr: LearningRate = 1e-2
    """Learning rate: the length of a step, before the schedule scales it."""
    decay: float = Field(1e-4, ge=0, le=1)
    """How fast the steps get shorter."""
    power: float = Field(0.75, gt=0, le=2)
    """Power by which they do."""
    weight_decay: WeightDecay = 0.0
    """Pull of the weights towards 0, added to the gradient. Not on norms and biases."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        return optim.ASGD(torch_groups(groups, self.lr, self.weight_decay), lr=self.lr, lambd=self.decay, alpha=self.power)


class Rprop(OptimizerConfig):
    """Looks at the signs of the gradients alone and adapts a step for each weight; full batch, small networks, no tuning.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning, 1993.
    """

    name: ClassVar[str] = "rprop"
    full_batch: ClassVar[bool] = True

    lr: LearningRate = 1e-2
    """Length of the first step of each weight; after it the signs of the gradient decide alone, so there is no schedule."""
    etas: tuple[float, float] = (0.5, 1.2)
    """What a step is multiplied with after a turn of the sign, and after none."""
    step_sizes: tuple[float, float] = (1e-6, 50.0)
    """Shortest and longest step."""

    def _over(self, groups: Sequence[ParameterGroup], fused: bool) -> Optimizer:
        from torch import optim

        from flambeau.training.rprop import WaitingRprop

        if any(group.lr_scale not in (0.0, 1.0) for group in groups):
            raise RecipeError("rprop-lr-scale", path=("training", "optimizer", "rprop"))
        groups_of_torch = [{name: value for name, value in group.items() if name != "weight_decay"} for group in torch_groups(groups, self.lr, 0.0)]
        return WaitingRprop(optim.Rprop(groups_of_torch, lr=self.lr, etas=self.etas, step_sizes=self.step_sizes))
