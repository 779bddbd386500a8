"""What the distance between training and validation says, and what to try. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from flambeau import messages
from flambeau.types import Epoch

RISEN = 1.1
"""So many times its lowest value the validation loss has risen at the end: it has turned, not only trembled."""
GAP = 0.08
"""A score on train minus the same on validation that is more than chance on a few hundred examples."""
SEEN = 0.02
"""The same, where the validation loss has turned: what was kept is of an epoch before that, and may have learnt nothing by heart."""
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
    """"advice-over-fitted", "advice-under-fitted", "advice-improving" or "advice-fine"."""
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """The finding in one sentence."""
        return messages.text(self.code, "what", **self.facts)

    @property
    def fix(self) -> str:
        """What to try; "" where nothing is wrong."""
        return messages.text(self.code, "fix", **self.facts)


def gap(history: Sequence[Epoch]) -> Advice:
    """The epochs of a training -> whether it learnt by heart, too little, not to the end, or as it should.

    A score of `SCORES` is looked at where the epochs have one, the loss otherwise. The loss on training examples is measured with dropout and
    augmentation on, so that it may well lie above that on validation.
    """
    if not history:
        return Advice("advice-none")
    best = max(history, key=lambda epoch: (epoch.best, epoch.number))
    last = history[-1]
    facts: dict[str, object] = {"best": best.number, "last": last.number}
    name = next((name for name in SCORES if name in best.train and name in best.valid), None)
    if name is not None:
        form, low = SCORES[name]
        train, valid = best.train[name], best.valid[name]
        facts |= {"train": form.format(train), "valid": form.format(valid)}
        apart, poor = train - valid > GAP, train < low and valid < low
        turned = _has_turned(history) and train - valid > SEEN
    else:
        facts |= {"train": f"{best.train_loss:.3g}", "valid": f"{best.valid_loss:.3g}"}
        apart, poor = best.valid_loss > 2 * best.train_loss, False
        turned = _has_turned(history) and best.valid_loss > best.train_loss
    if apart or turned:
        return Advice("advice-over-fitted", facts)
    if _still_gaining(history, best):
        return Advice("advice-improving", facts)
    return Advice("advice-under-fitted" if poor else "advice-fine", facts)


def _has_turned(history: Sequence[Epoch]) -> bool:
    """Whether the validation loss has risen from its lowest value while the training loss went on falling."""
    lowest = min(history, key=lambda epoch: epoch.valid_loss)
    last = history[-1]
    return last.valid_loss > RISEN * lowest.valid_loss and last.train_loss < lowest.train_loss


def _still_gaining(history: Sequence[Epoch], best: Epoch) -> bool:
    """Whether the best epoch is one of the last and the training loss is still falling."""
    if len(history) <= STILL or best.number <= history[-1].number - STILL:
        return False
    before, last = history[-1 - STILL], history[-1]
    return last.train_loss < before.train_loss * (1 - FLAT) and last.valid_loss < before.valid_loss * (1 - FLAT)
