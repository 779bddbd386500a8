"""Numbers, several labels and classes in order: recognised, encoded, brought back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from flambeau.errors import DataError, RecipeError
from flambeau.tasks.custom import CustomLoss
from flambeau.tasks.losses import CumulativeLoss, HingeLoss, LabelsLoss, OneAgainstRestLoss, PoissonLoss, QuantileLoss, ValueLoss
from flambeau.tasks.multi_label import MultiLabel
from flambeau.tasks.ordinal import Ordinal
from flambeau.tasks.regression import Regression, ValuesTarget
from flambeau.tasks.union import AutoTask
from flambeau.types import Labelled, Valued


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["cat", "dog", "cat"], "classification"),
        ([0, 1, 1, 0, 2], "classification"),
        ([True, False, True], "classification"),
        (["1.5", "2", "3.25"], "regression"),
        (list(range(50)), "regression"),
        ([0.0, 1.0, 1.0, 0.0], "classification"),
        ([[1.0, 2.5], [3.0, 4.0]], "regression"),
        ([[0, 1], [1, 1]], "multi_label"),
        ([["a"], ["a", "b"], []], "multi_label"),
        (["red; round", "red", "round", "red; round"], "multi_label"),
        (["Smith; John", "Miller; Ann", "Jones; Peter"], "classification"),
    ],
)
def test_the_task_is_seen_in_the_targets(values: list[object], kind: str) -> None:
    assert AutoTask(target="y").settled(values).type == kind


def test_answers_come_back_in_the_unit_of_the_data() -> None:
    values = [1000.0, 2000.0, 4000.0]
    for settings in ({}, {"scale": "robust"}, {"scale": "none"}, {"log": True}, {"loss": "poisson"}):
        target = Regression.model_validate({"target": "y", **settings}).fit(values)
        encoded = torch.tensor(np.stack([target.encode(value) for value in values]))
        trained = encoded.log() if settings.get("loss") == "poisson" else encoded
        answers = target.activation()(trained).numpy()
        np.testing.assert_allclose(answers[:, 0], values, rtol=1e-5)
        np.testing.assert_allclose(target.restored(encoded.numpy())[:, 0], values, rtol=1e-6)
        assert [prediction.value for prediction in target.decode(answers) if isinstance(prediction, Valued)] == pytest.approx(values, rel=1e-5)


def test_standardised_targets_have_mean_0_and_deviation_1() -> None:
    values = np.random.default_rng(0).gamma(2, 300, 500).tolist()
    encoded = np.stack([Regression(target="y").fit(values).encode(value) for value in values])
    assert (encoded.mean(), encoded.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))


def test_quantiles_do_not_cross_and_give_an_interval() -> None:
    target = Regression(target="y", loss="quantile").fit([[1.0, 5.0], [2.0, 9.0]])
    answers = target.activation()(torch.randn(8, 6)).numpy().reshape(8, 2, 3)
    assert (np.diff(answers, axis=-1) >= 0).all()
    [prediction] = target.decode(answers[:1].reshape(1, 6))
    assert isinstance(prediction, Valued) and isinstance(prediction.low, dict) and isinstance(prediction.high, dict)
    assert list(prediction.low) == ["0", "1"] and prediction.low["0"] <= prediction.value["0"] <= prediction.high["0"]  # type: ignore[index]
    assert target.answers == ("0 q0.05", "0 q0.5", "0 q0.95", "1 q0.05", "1 q0.5", "1 q0.95")


@pytest.mark.parametrize(
    ("settings", "values", "code"),
    [
        ({}, ["1", "x"], "target-not-number"),
        ({}, [1.0, float("nan")], "target-not-number"),
        ({}, [3, 3, 3], "target-constant"),
        ({}, [[1, 2], [3]], "values-number"),
        ({"names": ["a"]}, [[1, 2], [3, 4]], "names-number"),
        ({"log": True}, [1, -2], "target-negative"),
        ({"loss": "poisson"}, [1, -2], "target-negative"),
    ],
)
def test_targets_that_are_no_numbers(settings: dict[str, Any], values: list[object], code: str) -> None:
    with pytest.raises(DataError) as caught:
        Regression.model_validate({"target": "y", **settings}).fit(values)
    assert caught.value.code == code and str(caught.value)


def test_ranges_hold_every_value() -> None:
    target = Regression(target="y").fit(np.random.default_rng(0).normal(100, 20, 300).tolist())
    assert 3 <= len(target.groups) <= 12
    assert {target.group(value) for value in (-1e9, 100.0, 1e9)} <= {(group,) for group in target.groups}
    strata = Regression(target="y").strata(list(range(100)))
    assert {strata.count(name) for name in strata} == {10} and Regression(target="y").strata([1, 2, 3]) == ["0"] * 3


def test_agreement_is_measured_by_the_spread() -> None:
    target = Regression(target="y").fit([0.0, 1e6])
    reference = np.array([[0.0], [0.0]], np.float32)
    assert target.agrees(np.array([[10.0], [1000.0]], np.float32), reference, 1e-4).tolist() == [True, False]


def test_labels_of_a_text_of_a_list_and_of_flags() -> None:
    target = MultiLabel(target="y", class_weights="balanced").fit(["b; a", "a", "", "a;c"])
    assert (target.labels, target.counts) == (("a", "b", "c"), (3, 1, 1))
    assert target.weights == pytest.approx((1 / 3, 3.0, 3.0))
    assert target.truth("c;a").tolist() == target.truth(["a", "c"]).tolist() == [1, 0, 1]
    [both, none] = target.decode(np.array([[0.9, 0.1, 0.6], [0.1, 0.2, 0.3]], np.float32))
    assert isinstance(both, Labelled) and both.labels == ("a", "c") and none.labels == ()  # type: ignore[union-attr]
    with pytest.raises(DataError, match="class-unknown"):
        target.truth("d")
    with pytest.raises(DataError, match="labels-none"):
        MultiLabel(target="y").fit(["", " "])


def test_order_is_that_of_the_recipe_or_of_the_numbers() -> None:
    assert Ordinal(target="y").fit([10, 9, 1]).labels == ("1", "9", "10")
    assert Ordinal(target="y", order=("low", "mid", "high")).fit(["high", "low"]).labels == ("low", "high")
    with pytest.raises(DataError, match="class-unknown"):
        Ordinal(target="y", order=("low", "high")).fit(["high", "lo"])


def test_losses_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, classes = torch.randn(20, 4, generator=generator), torch.randint(4, (20,), generator=generator)
    flags = torch.randint(2, (20, 4), generator=generator).float()
    counts = torch.randint(9, (20, 4), generator=generator).float()
    close = torch.testing.assert_close
    close(HingeLoss((1.0,) * 4)(logits, classes), functional.multi_margin_loss(logits, classes, reduction="none"))
    one_hot = functional.one_hot(classes, 4).float()
    close(OneAgainstRestLoss((1.0,) * 4)(logits, classes), functional.binary_cross_entropy_with_logits(logits, one_hot, reduction="none").sum(-1))
    weights = (0.5, 1.0, 2.0, 3.0)
    weighted = functional.binary_cross_entropy_with_logits(logits, flags, pos_weight=torch.tensor(weights), reduction="none").mean(-1)
    close(LabelsLoss(weights)(logits, flags), weighted)
    close(ValueLoss("l2")(logits, flags), functional.mse_loss(logits, flags, reduction="none").mean(-1))
    close(ValueLoss("l1")(logits, flags), functional.l1_loss(logits, flags, reduction="none").mean(-1))
    close(PoissonLoss()(logits, counts), functional.poisson_nll_loss(logits, counts, reduction="none").mean(-1))
    # with two classes there is one border, and the loss is plain cross-entropy
    close(CumulativeLoss((1.0, 1.0))(logits[:, :2], classes % 2), functional.cross_entropy(logits[:, :2], classes % 2, reduction="none"))


def test_the_cumulative_loss_knows_the_distance() -> None:
    sure_of_the_first = torch.tensor([[5.0, 0.0, 0.0, 0.0]]).repeat(4, 1)
    losses = CumulativeLoss((1.0,) * 4)(sure_of_the_first, torch.arange(4))
    assert losses.tolist() == sorted(losses.tolist()) and losses[3] > 2 * losses[1]


def test_the_pinball_loss_finds_the_quantiles() -> None:
    targets = torch.from_numpy(np.random.default_rng(0).gamma(2, 1, (4000, 1))).float()
    values = torch.zeros(1, 2, requires_grad=True)
    optimizer = torch.optim.Adam([values], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        QuantileLoss((0.1, 0.8))(values.expand(4000, 2), targets).mean().backward()
        optimizer.step()
    assert values[0].tolist() == pytest.approx(np.quantile(targets.numpy(), (0.1, 0.8)).tolist(), abs=0.06)


def test_a_loss_of_ones_own_runs_only_where_it_is_allowed() -> None:
    said = CustomLoss.model_validate({"custom": {"target": "torch.nn:CosineSimilarity", "arguments": {"dim": -1}}})
    target = Regression(target="y", loss=said).fit([[1, 2], [3, 5]])
    with pytest.raises(RecipeError) as caught:
        target.loss()
    assert caught.value.code == "code-not-allowed"
    assert target.loss(allow_code=True)(torch.ones(3, 2), torch.ones(3, 2)).shape == (3,)
    for target_name, arguments, code in (
        ("torch.nn:MSELoss", {}, "loss-result"),
        ("torch.nn:Nothing", {}, "code-not-found"),
        ("math:sqrt", {}, "code-kind"),
    ):
        wrong = CustomLoss.model_validate({"custom": {"target": target_name, "arguments": arguments}})
        with pytest.raises(RecipeError) as caught:
            Regression(target="y", loss=wrong).fit([[1, 2], [3, 5]]).loss(allow_code=True)(torch.ones(3, 2), torch.ones(3, 2))
        assert caught.value.code == code


def test_the_range_of_a_value_is_that_of_its_truth() -> None:
    class Angles(ValuesTarget):
        def truth(self, value: object) -> np.ndarray:
            return super().truth(value) % 360

    plain = Regression(target="angle").fit([float(angle) for angle in range(0, 360, 3)])
    assert isinstance(plain, ValuesTarget)
    angles = Angles.model_validate(plain.model_dump())
    assert angles.group(370) == angles.group(10) == plain.group(10) != plain.group(370)


def test_each_class_stands_once_in_an_order() -> None:
    with pytest.raises(ValueError, match="low"):
        Ordinal(target="y", order=("low", "mid", "low"))


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e12])
@pytest.mark.parametrize("middle", [0.0, 1e7])
def test_ranges_have_names_of_their_own(scale: float, middle: float) -> None:
    values = (middle + np.random.default_rng(0).normal(size=400)) * scale
    target = Regression(target="y").fit(values.tolist())
    assert len(set(target.groups)) == len(target.groups) > 4
    assert list(target.edges) == sorted(set(target.edges))
    counts = [target.group(value)[0] for value in values]
    assert max(counts.count(group) for group in target.groups) < 200


def test_logarithms_keep_the_digits_of_small_values() -> None:
    module = Regression(target="y", log=True).fit((np.exp(np.linspace(-1, 1, 50)) * 1e-7).tolist())
    wanted = np.linspace(1e-9, 1e-7, 20)
    encoded = torch.tensor((np.log1p(wanted) - module.centres[0]) / module.scales[0], dtype=torch.float32)[:, None]
    assert module.activation()(encoded)[:, 0].numpy() == pytest.approx(wanted, rel=1e-2)


def test_names_of_labels_are_the_order_of_the_answers() -> None:
    task = MultiLabel(target="y")
    rare = ["a;b", "b", "c"]
    assert task.knowing(rare).fit(rare[:2]).labels == ("a", "b", "c")
    assert task.knowing(rare).fit(rare[:2]).counts == (1, 2, 0)
    with pytest.raises(DataError, match="class-unknown"):
        MultiLabel(target="y", names=("a", "b")).fit(rare)
