"""The gate for exports that compute in lower precision: their probabilities differ, so what counts is the score on the test examples."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flambeau.errors import CheckFailed

SHARE = 0.01
"""Of the tested score: so much may be lost, and one example in a small test."""


@dataclass(frozen=True)
class Gate:
    """One score of the tested model and of its export, on the same raw test examples."""

    metric: str
    tested: float
    exported: float
    allowed: float
    """Largest loss that passes."""
    is_share: bool
    """Whether the metric is a share of examples, where more is better; of any other number both directions count."""

    @property
    def passed(self) -> bool:
        """Whether the export is as good as the tested model."""
        loss = self.tested - self.exported
        return (loss if self.is_share else abs(loss)) <= self.allowed

    def to_json(self) -> dict[str, object]:
        """All fields."""
        return asdict(self)


def gate(metric: str, tested: float, exported: float, num_examples: int, is_share: bool) -> Gate:
    """Both scores on `num_examples` -> the gate, with what it allows."""
    allowed = max(SHARE * abs(tested), 1 / num_examples if is_share else 0.0)
    return Gate(metric, tested, exported, allowed + 1e-9, is_share)


def demand_score(found: Gate, where: str, target: str) -> None:
    """
    Raises:
        CheckFailed: the export is worse than the gate allows.
    """
    if not found.passed:
        facts = {"metric": found.metric, "tested": found.tested, "exported": found.exported, "allowed": found.allowed}
        raise CheckFailed("export-worse", where=where, target=target, **facts)
