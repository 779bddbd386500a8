"""How well one class's probabilities put its examples before all others: ROC, precision-recall, and the areas below.

`scores` are the probabilities of one class (examples,), `positive` says which examples are of that class (examples,).
"""

from __future__ import annotations

import numpy as np

from flambeau.evaluation.metrics import AnyFloats, Bools, Floats


def roc_auc(scores: AnyFloats, positive: Bools) -> float:
    """Probability that an example of the class scores higher than one of another class; equals count half. NaN without both."""
    if positive.all() or not positive.any():
        return float("nan")
    return float(_placements(scores[positive], scores[~positive]).mean())


def roc_auc_influence(scores: AnyFloats, positive: Bools) -> Floats:
    """How much each example moves `roc_auc`, times the number of examples, (examples,); mean 0.

    The variance of an area under the curve is that of these values divided by their number.
    Source: DeLong, DeLong, Clarke-Pearson, Comparing the Areas under Two or More Correlated ROC Curves, 1988.
    """
    influence = np.empty(len(scores))
    share = positive.mean()
    above = _placements(scores[positive], scores[~positive])
    below = 1 - _placements(scores[~positive], scores[positive])
    influence[positive] = (above - above.mean()) / share
    influence[~positive] = (below - below.mean()) / (1 - share)
    return influence


def average_precision(scores: AnyFloats, positive: Bools) -> float:
    """Mean precision over the thresholds, each weighted by the recall it adds; NaN without examples of the class."""
    if not positive.any():
        return float("nan")
    _, found, answered = _thresholds(scores, positive)
    return float((np.diff(found, prepend=0) * found / answered).sum() / positive.sum())


def average_precision_influence(scores: AnyFloats, positive: Bools) -> Floats:
    """How much each example moves `average_precision`, times the number of examples, (examples,); mean 0.

    An example counts once through the precision at its own score and once through the precision at every lower score:
    the derivative of ``mean over positives of (positives above / examples above)`` by the weight of that example.
    Source: the infinitesimal jackknife, Jaeckel 1972; Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982.
    """
    thresholds, found, answered = _thresholds(scores, positive)
    precisions = found / answered
    gained = np.diff(found, prepend=0)
    # Sums over the thresholds at or below each one: what an example at this score takes part in.
    through = np.cumsum((gained / answered)[::-1])[::-1]
    against = np.cumsum((gained * precisions / answered)[::-1])[::-1]
    place = np.searchsorted(-thresholds, -scores)
    total = float((gained * precisions).sum())
    num_positive = float(positive.sum())
    moved = positive * (precisions[place] + through[place]) - against[place]
    influence = (moved - positive * total / num_positive) * len(scores) / num_positive
    return np.asarray(influence - influence.mean())


def roc_points(scores: AnyFloats, positive: Bools) -> tuple[Floats, Floats]:
    """False positive rate and true positive rate at each threshold, from (0, 0) to (1, 1)."""
    _, found, answered = _thresholds(scores, positive)
    wrong = answered - found
    return np.append(0.0, wrong / wrong[-1]), np.append(0.0, found / found[-1])


def precision_recall_points(scores: AnyFloats, positive: Bools) -> tuple[Floats, Floats]:
    """Recall and precision at each threshold, from recall 0 to 1."""
    _, found, answered = _thresholds(scores, positive)
    precisions = found / answered
    return np.append(0.0, found / found[-1]), np.append(precisions[0], precisions)


def _placements(these: AnyFloats, others: AnyFloats) -> Floats:
    """Share of `others` that lie below each of `these`; equals count half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, these, "left") + np.searchsorted(ordered, these, "right")
    return np.asarray(below / (2 * len(others)))


def _thresholds(scores: AnyFloats, positive: Bools) -> tuple[AnyFloats, Floats, Floats]:
    """Different scores in falling order; at each: how many positives, and how many examples, score as much or more."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(scores) - 1)
    return ordered[last], np.cumsum(positive[order])[last].astype(np.float64), (last + 1).astype(np.float64)
