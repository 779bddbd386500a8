"""Words of the Python interface that say something else than was meant: told at once, never dropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flambeau as fb
from flambeau.errors import UsageError

ROWS = {"a": np.arange(40.0), "b": np.arange(40.0) % 7, "label": ["x", "y"] * 20}


@pytest.mark.parametrize("verb", [fb.fit, fb.plan, fb.check, fb.show])
def test_a_keyword_that_is_none(verb: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keyword-unknown") as caught:
        verb(ROWS, epoch=3)  # type: ignore[operator]
    assert caught.value.facts["guess"] == "epochs"


def test_a_target_that_is_left_out() -> None:
    with pytest.raises(UsageError, match="target-excluded"):
        fb.check(ROWS, target="label", exclude=["label"])


@pytest.mark.parametrize("value", ["one.png", b"\x89PNG", Path("one.png"), {"a": 1.0}])
def test_a_value_that_is_no_list_of_them(value: object, tmp_path: Path) -> None:
    recipe = {"network": ["column_embedding", {"linear": 2}], "training": {"epochs": 1}}
    run = fb.fit(ROWS, target="label", recipe=recipe, run=tmp_path / "run", show=lambda event: None)
    with pytest.raises(UsageError, match="values-single"):
        fb.load(run.path).predict(value)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="values-single"):
        run.predict(value)  # type: ignore[arg-type]
