"""The words for augmentation in a recipe."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from flambeau.docstrings import field_texts
from flambeau.inputs.augment import steps
from flambeau.inputs.augment.steps import AugmentStep

PARSED = TypeAdapter(AugmentStep)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("flip", steps.Flip()),
        ({"rotate": 15}, steps.Rotate(degrees=15)),
        ({"rotate": {"degrees": 15}}, steps.Rotate(degrees=15)),
        ({"erase": {"area": 0.1, "probability": 1}}, steps.Erase(area=0.1, probability=1)),
        ({"cutmix": None}, steps.Cutmix()),
        (steps.Shear(degrees=3), steps.Shear(degrees=3)),
    ],
)
def test_shorthands(written, meant):
    assert PARSED.validate_python(written) == meant
    assert PARSED.validate_json(PARSED.dump_json(meant)) == meant


@pytest.mark.parametrize("step", steps.STEPS)
def test_every_step_is_documented_and_written_back(step):
    assert step.__doc__ and field_texts(step).keys() >= step.model_fields.keys()
    assert PARSED.validate_python(step.name) == step() == PARSED.validate_python(PARSED.dump_python(step(), mode="json"))


def test_a_wrong_name_is_near_a_right_one():
    with pytest.raises(ValidationError, match=r"vertical_flip") as raised:
        PARSED.validate_python("verticalflip")
    assert raised.value.errors()[0]["ctx"]["name"] == "verticalflip"
    with pytest.raises(ValidationError) as raised:
        PARSED.validate_python("\x1b[31mred{}")
    assert "\x1b" not in raised.value.errors()[0]["msg"]
