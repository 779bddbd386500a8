"""Labels to classes and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.utils.class_weight import compute_class_weight

from flambeau.errors import DataError
from flambeau.tasks.classification import Classification, ClassTarget

LABELS = ["img10", "img2", "cat", "cat", "img2", "cat"]


@pytest.fixture
def target() -> ClassTarget:
    return Classification(target="label").fit(LABELS)


def test_classes_are_in_natural_order(target: ClassTarget) -> None:
    assert target.labels == ("cat", "img2", "img10")
    assert target.counts == (3, 2, 1)
    assert target.out_features == 3
    assert Classification(target="y").fit([10, 9, 1, 2.5, "0"]).labels == ("0", "1", "2.5", "9", "10")
    assert Classification(target="y").fit(["9" * 5000, "a" * 5000]).labels[1][0] == "9"


def test_one_class_is_nothing_to_learn() -> None:
    with pytest.raises(DataError) as caught:
        Classification(target="label").fit(["cat"] * 5)
    assert (caught.value.code, caught.value.facts["n"]) == ("class-alone", 5)


def test_balanced_weights_are_scikit_learns() -> None:
    fitted = Classification(target="label", class_weights="balanced").fit(LABELS)
    assert fitted.weights == pytest.approx(compute_class_weight("balanced", classes=np.array(fitted.labels), y=LABELS))
    assert sum(weight * count for weight, count in zip(fitted.weights, fitted.counts, strict=True)) == pytest.approx(len(LABELS))


def test_weights_by_name() -> None:
    assert Classification(target="label", class_weights={"img2": 4.0}).fit(LABELS).weights == (1.0, 4.0, 1.0)
    with pytest.raises(DataError) as caught:
        Classification(target="label", class_weights={"img3": 4.0}).fit(LABELS)
    assert (caught.value.code, caught.value.facts["guess"]) == ("class-unknown", "img2")


@pytest.mark.parametrize("wrong", [{"label_smoothing": 1.0}, {"focal_gamma": -1}, {"loss": "l1"}, {"class_weights": {"a": 0}}, {"weight": 1}])
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Classification.model_validate({"target": "label", **wrong})


def test_labels_become_numbers(target: ClassTarget) -> None:
    assert [int(target.encode(label)) for label in ("img2", "cat", "img10")] == [1, 0, 2]
    assert target.encode("cat").shape == target.truth("cat").shape == ()
    assert target.encode("cat").dtype == np.int64
    with pytest.raises(DataError) as caught:
        target.encode("Cat")
    assert caught.value.facts["guess"] == "cat"


def test_soft_targets(target: ClassTarget) -> None:
    assert target.soft(torch.tensor([1, 0])).tolist() == [[0, 1, 0], [1, 0, 0]]
    mixed = torch.tensor([[0.5, 0.5, 0.0]])
    assert target.soft(mixed) is mixed


def test_the_loss_is_as_the_recipe_says() -> None:
    logits, truth = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([1])
    plain = Classification(target="y").fit(LABELS).loss()(logits, truth)
    unfocused = Classification(target="y", loss="focal", focal_gamma=0).fit(LABELS).loss()(logits, truth)
    focal = Classification(target="y", loss="focal").fit(LABELS).loss()(logits, truth)
    ignored = Classification(target="y", focal_gamma=5).fit(LABELS).loss()(logits, truth)
    assert plain.item() == pytest.approx(unfocused.item())
    assert ignored.item() == plain.item(), "gamma belongs to the focal loss"
    assert focal.item() < plain.item()


def test_predictions_fall(target: ClassTarget) -> None:
    [sure, torn] = target.decode(np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]], np.float32))
    assert (sure.label, sure.confidence) == ("img2", pytest.approx(0.7))
    assert list(sure.probabilities) == ["img2", "img10", "cat"]
    assert list(torn.probabilities) == ["cat", "img10", "img2"], "of equals the first class comes first"
    assert target.decode(np.zeros((0, 3), np.float32)) == []


def test_agreement(target: ClassTarget) -> None:
    reference = np.array([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6], [0.50004, 0.49996, 0.0]], np.float32)
    answers = np.array([[0.5, 0.4, 0.1], [0.3, 0.5, 0.2], [0.6, 0.2, 0.2], [0.49996, 0.50004, 0.0]], np.float32)
    assert target.agrees(answers, reference, 1e-4).tolist() == [True, True, False, True]
    assert target.agrees(answers, reference, 0.0).tolist()[3] is False


def test_activation_gives_probabilities(target: ClassTarget) -> None:
    answers = target.activation()(torch.randn(4, 3))
    torch.testing.assert_close(answers.sum(-1), torch.ones(4))
