"""What a recipe says about training. No torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from flambeau.choice import problem
from flambeau.config import Config
from flambeau.training.optimizer_config import OptimizerConfig
from flambeau.training.optimizers import AdamW, AnyOptimizer
from flambeau.training.schedules import AnySchedule, Constant, OneCycle

BATCH_SIZE = 64
"""Small enough for many steps on a few hundred examples, large enough to keep a CPU's vector units busy."""

LARGEST_BATCH = 10_000_000


WARMUP = 0.05
"""Share of the steps in which the learning rate of an optimizer that needs no schedule rises."""


class Pace(Config):
    """Parameters that learn at a pace of their own."""

    match: str = Field(min_length=1, max_length=400)
    """Pattern of their names, as `flambeau show` tells them, with * for anything: ``body.0_*``."""
    lr_scale: float = Field(ge=0, le=1000)
    """What their learning rate is multiplied with; 0 leaves them as they are."""


def _open() -> Any:
    """Stands for a choice that the validator makes, once it knows the optimizer."""
    return None


class TrainingConfig(Config):
    """How the network learns."""

    epochs: int = Field(20, ge=1, le=100_000)
    """Passes over the training examples, at most."""
    optimizer: AnyOptimizer = AdamW()
    """What turns gradients into steps: ``{adamw: 0.003}``, ``{sgd: {lr: 0.1, momentum: 0.9}}``, ``lbfgs``, ..."""
    schedule: AnySchedule = Field(default_factory=_open)
    """How the learning rate goes over the run. Default: one_cycle; constant for full-batch optimizers and schedule_free."""
    batch_size: int | Literal["all"] = Field(default_factory=_open)
    """Examples in one step, or "all". Default: 64; "all" for full-batch optimizers (lbfgs, rprop)."""
    accumulate: int = Field(1, ge=1, le=10_000)
    """Parts in which a batch is computed, one after the other, to save memory; the step is that of the whole batch
    (but for batch norm, which sees one part at a time)."""
    stop_early: int | None = Field(5, ge=1, le=100_000)
    """Stop after so many epochs without gain on the validation split; null never stops."""
    keep_best: bool = True
    """Keep the weights of the best epoch, by the validation split, instead of the last."""
    calibrate: bool = True
    """Divide the logits of a classification by the temperature that gives the validation split the least log loss, so that the probabilities
    mean what they say. The most probable class stays."""
    clip: float | None = Field(1.0, gt=0, le=1e6)
    """Largest L2 norm of the gradient over all parameters; a longer one is shortened. null: any. Not used by lbfgs, whose line
    search needs the gradient as it is."""
    l1: float = Field(0.0, ge=0, le=10)
    """Weight of the sum of absolute weights in the loss; drives weights to 0. Not on norms and biases."""
    ema: float | None = Field(None, ge=0, lt=1)
    """Share that a running mean of the weights keeps at each step, for example 0.999; validation and the result then use that
    mean. Left open: 0.998 for tables with 2,000 training rows and more, else null."""
    swa: float | None = Field(None, gt=0, le=1)
    """Share of the epochs, the last ones, whose weights are averaged, for example 0.25; batch norm is measured anew for the mean. Goes
    well with schedule: constant, or any that does not fall to nothing."""
    groups: tuple[Pace, ...] = ()
    """Parts that learn at a pace of their own: ``[{match: "body.0_*", lr_scale: 0.1}]``."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """What the learning rate is multiplied with from each block of the network to the one below it: 0.8 changes what is near the input
    least. For backbones that have learnt before."""
    unfreeze: int | None = Field(None, ge=1, le=10_000)
    """Epochs after which one more block begins to learn, from the head down; null: all from the start."""
    sampling: Literal["shuffle", "balanced"] = "shuffle"
    """Order of the training examples: each once an epoch, or each class equally often."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Where all randomness of training comes from."""
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d{1,3})?)$")
    """Where training runs: "auto" takes a GPU if there is one."""
    threads: int | None = Field(None, ge=1, le=4096)
    """CPU threads; null takes as many as this process may use. Their number changes the last bits of the result."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Numbers in matrix products and convolutions: bf16 is faster on newer hardware and rounds to 3 digits. Weights stay fp32.
    "auto": the faster one, by a few real steps of each; fp32 in a very short training."""
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    """Order of images in memory; channels_last is faster for most convolutions. "auto": by the same steps."""
    fused: bool | None = None
    """Update all weights in one kernel; null: where the optimizer has one and it is faster."""
    compile: bool | None = None
    """Compile the network first (torch.compile), which takes minutes; null: where the training is long enough and it is faster."""
    checkpoint_seconds: float = Field(30.0, ge=0, le=86_400)
    """A checkpoint is written after each epoch, and at least as often as this between its steps."""

    @field_validator("schedule", mode="before")
    @classmethod
    def _choose_schedule(cls, schedule: object, info: ValidationInfo) -> object:
        if schedule is not None:
            return schedule
        optimizer = info.data.get("optimizer")
        if isinstance(optimizer, OptimizerConfig) and optimizer.averages:
            return Constant(warmup=WARMUP)
        return Constant() if _needs_all(info.data) else OneCycle()

    @field_validator("batch_size", mode="before")
    @classmethod
    def _choose_batch_size(cls, batch_size: object, info: ValidationInfo) -> object:
        if batch_size is None:
            return "all" if _needs_all(info.data) else BATCH_SIZE
        whole = isinstance(batch_size, int) and not isinstance(batch_size, bool) and 1 <= batch_size <= LARGEST_BATCH
        if batch_size != "all" and not whole:
            raise problem("batch-size-form", largest=LARGEST_BATCH)
        if batch_size != "all" and _needs_all(info.data):
            raise problem("full-batch-size", optimizer=info.data["optimizer"].name)
        return batch_size

    @field_validator("swa")
    @classmethod
    def _one_mean(cls, swa: float | None, info: ValidationInfo) -> float | None:
        optimizer = info.data.get("optimizer")
        means = [swa is not None, info.data.get("ema") is not None, isinstance(optimizer, OptimizerConfig) and optimizer.averages]
        if sum(means) > 1:
            raise problem("means-several")
        return swa

    @field_validator("fused")
    @classmethod
    def _fused_where_possible(cls, fused: bool | None, info: ValidationInfo) -> bool | None:
        optimizer = info.data.get("optimizer")
        if fused and isinstance(optimizer, OptimizerConfig) and not optimizer.can_fuse:
            raise problem("optimizer-not-fused", optimizer=optimizer.name)
        return fused


def _needs_all(earlier: dict[str, Any]) -> bool:
    """Whether the optimizer, which is validated before, works on all examples at once."""
    optimizer = earlier.get("optimizer")
    return isinstance(optimizer, OptimizerConfig) and optimizer.full_batch and not optimizer.model_dump().get("mini_batch")
