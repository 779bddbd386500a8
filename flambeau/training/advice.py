"""What the weights that are kept are worth beside training and chance, and what to try. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType

from flambeau import messages
from flambeau.types import Epoch

RISEN = 1.1
"""So many times its lowest value the validation loss has risen at the end: it has turned, not only trembled."""
GAP = 0.08
"""A score on train beside the same on validation, apart by more than chance on a few hundred examples."""
SEEN = 0.02
"""The same, where the validation loss has turned: what was kept may be of an epoch before that, and may have learnt nothing by heart."""
TIMES = 2.0
"""So many times the one loss the other one is where they do not agree."""
DIVERGED = 10.0
"""So many times the loss of an answer that looks at nothing: no loss starts there, and learning only ever leads away from it."""
SCORES: Mapping[str, tuple[str, float]] = MappingProxyType({"accuracy": ("{:.1%}", 0.85), "micro_f1": ("{:.1%}", 0.85), "r2": ("R2 {:.2f}", 0.5)})
"""What is looked at where the epochs have it: how it is written, and below which value on the training examples much is left to learn."""
STILL = 2
"""The best epoch among so many of the last: training ended while it was still gaining."""
FLAT = 0.01
"""Share by which the training loss must still fall from one epoch to the next to count as falling."""


@dataclass(frozen=True)
class Advice:
    """A finding; its text and what to try are in the catalogue under `code`."""

    code: str
    """"advice-over-fitted", "advice-under-fitted", "advice-improving", "advice-diverged", "advice-nothing", "advice-ahead" or "advice-fine"."""
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """The finding in one sentence."""
        return messages.text(self.code, "what", **self.facts)

    @property
    def fix(self) -> str:
        """What to try; "" where nothing is wrong."""
        return messages.text(self.code, "fix", **self.facts)


@dataclass(frozen=True)
class Uninformed:
    """What an answer that looks at nothing is worth on the validation split."""

    label: str
    """Which answer: the most frequent class, the mean."""
    scores: Mapping[str, float]
    loss: float
    """Of logits that are all 0; NaN where that has none."""


def kept(history: Sequence[Epoch], keep_best: bool) -> Epoch:
    """The epochs of a training -> the one after which the network had the weights that it has now; its validation scores are theirs."""
    return best_of(history) if keep_best else history[-1]


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The best epoch of all: the last one that was the best so far."""
    return max(history, key=lambda epoch: (epoch.best, epoch.number))


def gap(history: Sequence[Epoch], keep_best: bool = True, uninformed: Uninformed | None = None) -> Advice:
    """The epochs of a training -> whether the weights that are kept learnt by heart, too little, nothing, not to the end, or as they should.

    A score of `SCORES` is looked at where the epochs have one, the loss otherwise. Both are measured on the training examples while the network
    learns, with dropout and augmentation on, so that they may well be worse than on validation.

    Args:
        keep_best: the best epoch's weights are kept, not the last one's.
        uninformed: what has to be beaten.
    """
    if not history:
        return Advice("advice-none")
    epoch = kept(history, keep_best)
    facts: dict[str, object] = {"epoch": epoch.number, "best": best_of(history).number, "last": history[-1].number}
    name = next((name for name in SCORES if isfinite(epoch.train.get(name, float("nan"))) and isfinite(epoch.valid.get(name, float("nan")))), None)
    losses = {"train": f"{epoch.train_loss:.3g}", "valid": f"{epoch.valid_loss:.3g}"}
    if _has_diverged(epoch, name, uninformed):
        return Advice("advice-diverged", facts | losses | {"idle": f"{uninformed.loss:.3g}" if uninformed else "–"})
    if name is None:
        over = epoch.valid_loss > TIMES * epoch.train_loss or (_has_turned(history) and epoch.valid_loss > epoch.train_loss)
        ahead, poor, facts = epoch.train_loss > TIMES * epoch.valid_loss, False, facts | losses
    else:
        form, low = SCORES[name]
        train, valid = epoch.train[name], epoch.valid[name]
        facts |= {"train": form.format(train), "valid": form.format(valid)}
        over = train - valid > GAP or (_has_turned(history) and train - valid > SEEN)
        ahead, poor = valid - train > GAP, train < low and valid < low
        base = uninformed.scores.get(name) if uninformed else None
        if uninformed and base is not None and not over and valid <= base:
            return Advice("advice-nothing", facts | {"label": uninformed.label, "base": form.format(base)})
    if over:
        return Advice("advice-over-fitted", facts)
    if _still_gaining(history):
        return Advice("advice-improving", facts)
    return Advice("advice-under-fitted" if poor else "advice-ahead" if ahead else "advice-fine", facts)


def _has_diverged(epoch: Epoch, name: str | None, uninformed: Uninformed | None) -> bool:
    """Whether both losses are far from any that learning leads to. With a good score they are the price of being too sure, no more."""
    if not isfinite(epoch.train_loss) or not isfinite(epoch.valid_loss):
        return True
    if uninformed is None or not uninformed.loss > 0:
        return False
    is_good = name is not None and epoch.valid[name] >= SCORES[name][1]
    return min(epoch.train_loss, epoch.valid_loss) > DIVERGED * uninformed.loss and not is_good


def _has_turned(history: Sequence[Epoch]) -> bool:
    """Whether the validation loss has risen from its lowest value while the training loss went on falling."""
    lowest = min(history, key=lambda epoch: epoch.valid_loss)
    last = history[-1]
    return last.valid_loss > RISEN * lowest.valid_loss and last.train_loss < lowest.train_loss


def _still_gaining(history: Sequence[Epoch]) -> bool:
    """Whether the best epoch is one of the last and the training loss is still falling."""
    if len(history) <= STILL or best_of(history).number <= history[-1].number - STILL:
        return False
    before, last = history[-1 - STILL], history[-1]
    return last.train_loss < before.train_loss * (1 - FLAT) and last.valid_loss < before.valid_loss * (1 - FLAT)
