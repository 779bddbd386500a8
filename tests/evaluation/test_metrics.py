"""Every figure against scikit-learn, on answers with ties, absent classes and classes that were never answered."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as referee
from sklearn.preprocessing import label_binarize

from flambeau.evaluation import metrics, ranking
from flambeau.evaluation.metrics import confusion, predicted


@st.composite
def examinations(draw, least_classes=2, all_present=False):
    """Answers and truths of a small test. Probabilities come from a coarse grid, so equal ones are frequent."""
    num_classes = draw(st.integers(least_classes, 6))
    n = draw(st.integers(num_classes if all_present else 1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = generator.integers(1, draw(st.integers(2, 9)), (n, num_classes)).astype(float)
    truths = generator.integers(0, draw(st.integers(1, num_classes)), n)
    if all_present:
        truths[:num_classes] = np.arange(num_classes)
    return weights / weights.sum(axis=1, keepdims=True), truths


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(examinations())
def test_confusion_figures(test):
    answers, truths = test
    num_classes, answered = answers.shape[1], predicted(answers)
    matrix, labels = confusion(truths, answered, num_classes), np.arange(num_classes)
    present = np.unique(truths)
    assert (matrix == referee.confusion_matrix(truths, answered, labels=labels)).all()
    close(metrics.accuracy(matrix), referee.accuracy_score(truths, answered))
    precision, recall, f1, support = referee.precision_recall_fscore_support(truths, answered, labels=labels, zero_division=np.nan)
    close(metrics.precision(matrix), precision)
    close(metrics.recall(matrix), recall)
    close(metrics.f1(matrix), f1)
    assert (metrics.support(matrix) == support).all()
    for average, ours in (("macro", metrics.macro), ("weighted", metrics.weighted)):
        theirs = referee.precision_recall_fscore_support(truths, answered, labels=present, average=average, zero_division=0)
        close([ours(values(matrix), matrix) for values in (metrics.precision, metrics.recall, metrics.f1)], theirs[:3])


@settings(max_examples=100, deadline=None)
@given(examinations())
def test_agreement(test):
    answers, truths = test
    matrix = confusion(truths, predicted(answers), answers.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(metrics.balanced_accuracy(matrix), referee.balanced_accuracy_score(truths, predicted(answers)))
        close(metrics.cohen_kappa(matrix), referee.cohen_kappa_score(truths, predicted(answers)))
        close(metrics.matthews(matrix), referee.matthews_corrcoef(truths, predicted(answers)))


@settings(max_examples=100, deadline=None)
@given(examinations())
def test_probability_figures(test):
    answers, truths = test
    labels = np.arange(answers.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(metrics.losses(answers, truths).mean(), referee.log_loss(truths, answers, labels=labels))
        theirs = referee.brier_score_loss(truths, answers[:, 1] if len(labels) == 2 else answers, labels=labels)
    close(metrics.brier_scores(answers, truths).mean(), theirs)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_log_loss_of_certain_answers_is_clipped_as_the_referee_does(kind):
    answers = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], kind)
    truths = np.array([1, 1, 2])
    assert metrics.losses(answers, truths).mean() == pytest.approx(referee.log_loss(truths, answers, labels=[0, 1, 2]), rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(examinations(least_classes=3), st.integers(1, 5))
def test_top_k(test, k):
    answers, truths = test
    num_classes = answers.shape[1]
    k = min(k, num_classes - 1)
    # The referee lets the last of equal classes win, we the first, as the decoder does: turned round they are the same.
    theirs = referee.top_k_accuracy_score(num_classes - 1 - truths, answers[:, ::-1], k=k, labels=np.arange(num_classes))
    close(metrics.is_in_top(answers, truths, k).mean(), theirs)


def test_top_one_is_the_decoded_answer():
    answers = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.25, 0.25, 0.5]])
    truths = np.array([1, 1, 2])
    assert (metrics.is_in_top(answers, truths, 1) == (predicted(answers) == truths)).all()


@settings(max_examples=150, deadline=None)
@given(examinations(all_present=True))
def test_ranking(test):
    answers, truths = test
    for index in range(answers.shape[1]):
        positive, scores = truths == index, answers[:, index]
        close(ranking.roc_auc(scores, positive), referee.roc_auc_score(positive, scores))
        close(ranking.average_precision(scores, positive), referee.average_precision_score(positive, scores))
        false, true, _ = referee.roc_curve(positive, scores, drop_intermediate=False)
        np.testing.assert_allclose(ranking.roc_points(scores, positive), (false, true), atol=1e-12)
        precision, recall, _ = referee.precision_recall_curve(positive, scores)
        ours = ranking.precision_recall_points(scores, positive)
        np.testing.assert_allclose(ours[0], recall[::-1], atol=1e-12)
        np.testing.assert_allclose(ours[1][1:], precision[::-1][1:], atol=1e-12)


def test_ranking_without_the_class_or_without_others_is_not_a_number():
    scores = np.array([0.1, 0.9])
    assert np.isnan(ranking.roc_auc(scores, np.array([True, True])))
    assert np.isnan(ranking.roc_auc(scores, np.array([False, False])))
    assert np.isnan(ranking.average_precision(scores, np.array([False, False])))


@settings(max_examples=60, deadline=None)
@given(examinations(), st.integers(1, 20))
def test_calibration(test, num_bins):
    answers, truths = test
    bins = metrics.calibration_bins(answers, truths, num_bins)
    assert sum(bin_.n for bin_ in bins) == len(truths)
    confidences, right = answers.max(axis=1), predicted(answers) == truths
    for bin_ in bins:
        inside = (confidences > bin_.low + 1e-9) & (confidences < bin_.high - 1e-9)
        assert bin_.n >= inside.sum()
        if bin_.n:
            assert bin_.low - 1e-9 <= bin_.confidence <= bin_.high + 1e-9
    by_hand = sum(bin_.n / len(truths) * abs(bin_.accuracy - bin_.confidence) for bin_ in bins if bin_.n)
    close(metrics.calibration_error(bins), by_hand)
    if num_bins == 1:
        close(metrics.calibration_error(bins), abs(confidences.mean() - right.mean()))


def test_calibration_bins_against_the_referee():
    from sklearn.calibration import calibration_curve

    generator = np.random.default_rng(3)
    answers = generator.dirichlet(np.ones(4), 500)
    truths = generator.integers(0, 4, 500)
    shares, means = calibration_curve(predicted(answers) == truths, answers.max(axis=1), n_bins=metrics.NUM_BINS)
    full = [bin_ for bin_ in metrics.calibration_bins(answers, truths) if bin_.n]
    close([bin_.accuracy for bin_ in full], shares)
    close([bin_.confidence for bin_ in full], means)


def test_one_class_against_the_rest_is_the_mean_of_the_referee():
    from flambeau.evaluation.estimates import average_precision, roc_auc, weighted_roc_auc
    from flambeau.evaluation.outcomes import outcomes

    generator = np.random.default_rng(5)
    answers, truths = generator.dirichlet(np.ones(5), 200), generator.choice(5, 200, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    seen = outcomes(answers, truths, 5)
    close(roc_auc(seen).value, referee.roc_auc_score(truths, answers, multi_class="ovr"))
    close(weighted_roc_auc(seen).value, referee.roc_auc_score(truths, answers, multi_class="ovr", average="weighted"))
    close(average_precision(seen).value, referee.average_precision_score(label_binarize(truths, classes=range(5)), answers))
    two = outcomes(answers[:, :2], np.minimum(truths, 1), 2)
    close(roc_auc(two).value, referee.roc_auc_score(np.minimum(truths, 1), answers[:, 1]))
