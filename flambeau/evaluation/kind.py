"""What evaluation does for one kind of task: scores, baseline, the words of transcript and report. One member for each, in `kinds`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from flambeau.errors import RecipeError
from flambeau.evaluation.config import TestConfig
from flambeau.evaluation.estimates import LOWER_IS_BETTER
from flambeau.evaluation.facts import Mistake, ReportFacts
from flambeau.evaluation.markup import Markup
from flambeau.evaluation.metrics import AnyFloats
from flambeau.tasks.task import Target
from flambeau.types import Array

Json = dict[str, Any]
Line = tuple[str, dict[str, Any]]
"""A key of the catalogue and the facts that fill it."""
Fitted = TypeVar("Fitted", bound=Target)


class Evaluation(ABC, Generic[Fitted]):
    """How the answers (examples, answers) of a task are judged beside the truths (examples, ...), both in answer space."""

    judges: ClassVar[type[Target]]
    """What a target has to be derived from, as more is looked at than every one has."""
    main: ClassVar[str]
    """The score that stands for all; the baseline has it too."""
    cards: ClassVar[tuple[str, ...]]
    """Scores that the report shows beside it."""
    shown: ClassVar[tuple[str, ...]]
    """Scores of the model card."""
    remedy: ClassVar[str] = "remedy-classes"
    """Key of what to try where the baseline is not beaten."""
    mistakes_told: ClassVar[str] = "mistakes-told"
    """Key of the sentence above the worst mistakes."""

    @property
    @abstractmethod
    def figures(self) -> Collection[str]:
        """The names of the scores that `evaluate` can give, and that a gate may name."""

    @abstractmethod
    def quick(self, answers: AnyFloats, truths: Array, target: Fitted) -> dict[str, float]:
        """A few scores without intervals, cheap enough for every epoch; the epoch table shows those that it has a column for."""

    @abstractmethod
    def evaluate(self, answers: AnyFloats, truths: Array, target: Fitted, config: TestConfig) -> Json:
        """All scores, ready for JSON: each under its name as ``{"value", "low", "high", "n"}``, beside "n" and the "level" of the intervals."""

    @abstractmethod
    def baseline(self, truths: Array, target: Fitted, level: float) -> Json:
        """How good an answer is that looks at nothing: "label" says which answer, and the main score is among the others."""

    def demand_figures(self, config: TestConfig) -> None:
        """
        Raises:
            RecipeError: the test is to be held to a score that this kind of task does not have.
        """
        for side, bounds in (("min", config.min), ("max", config.max)):
            for name in bounds:
                if name not in self.figures:
                    lower = side == "max"
                    names = ", ".join(figure for figure in self.figures if (figure in LOWER_IS_BETTER) == lower and not figure.startswith("top_"))
                    raise RecipeError("metric-elsewhere", path=("test", side, name), name=name, names=names)

    def beside(self, test: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
        """Whether the test shows more than the baseline, told from the interval of the main score: "better", "undecided" or "worse"."""
        score, base = test[self.main], baseline[self.main]["value"]
        if score["value"] is None or base is None:
            return "undecided"
        above, below = score["low"] > base, score["high"] < base
        if self.main in LOWER_IS_BETTER:
            above, below = below, above
        return "better" if above else "worse" if below else "undecided"

    @abstractmethod
    def weakest(self, scores: Mapping[str, Any]) -> Json | None:
        """Where the model is worst, out of what `evaluate` gives; None where nothing stands out."""

    @abstractmethod
    def lines(self, test: Mapping[str, Any], baseline: Mapping[str, Any], weakest: Mapping[str, Any] | None) -> list[Line]:
        """The result in one line of the transcript, and what is weakest in a second one."""

    def curves(self, answers: AnyFloats, truths: Array, target: Fitted) -> list[Json]:
        """Points of the ranking curves; none where nothing is ranked."""
        return []

    @abstractmethod
    def mistakes(self, answers: AnyFloats, truths: Array, target: Fitted, most: int) -> list[tuple[int, Mistake]]:
        """At most `most` examples, the worst first: the place in the test, and what was wrong (its name is left open)."""

    @abstractmethod
    def num_mistakes(self, answers: AnyFloats, truths: Array, target: Fitted) -> int:
        """Of how many they are the worst."""

    @abstractmethod
    def section(self, facts: ReportFacts) -> Markup | None:
        """The test section of the report; None without a test."""

    @abstractmethod
    def callout(self, scores: Mapping[str, Any]) -> Markup | None:
        """What is weakest, as a sentence of the report."""

    @abstractmethod
    def card_tables(self, scores: Mapping[str, Any]) -> Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]]:
        """Further tables of the model card: heads, and rows of plain cells whose first one is a name."""
