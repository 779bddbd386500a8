"""What a recipe may say about training: short forms, exact places of errors, did-you-mean, defaults that depend on each other."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from flambeau.docstrings import field_texts
from flambeau.training.config import TrainingConfig
from flambeau.training.optimizers import OPTIMIZERS, AdamW, Lbfgs, Muon, Sgd, optimizer_catalogue
from flambeau.training.schedules import SCHEDULES, Constant, Cosine, OneCycle


def problems(**settings: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        TrainingConfig.model_validate(settings)
    return [(error["loc"], error["type"]) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("adamw", AdamW()),
        ({"adamw": 0.01}, AdamW(lr=0.01)),
        ({"adamw": None}, AdamW()),
        ({"sgd": {"lr": 0.2, "momentum": 0.8, "nesterov": False}}, Sgd(lr=0.2, momentum=0.8, nesterov=False)),
        (Sgd(lr=0.3), Sgd(lr=0.3)),
        ({"muon": {"rest": {"sgd": 0.05}}}, Muon(rest=Sgd(lr=0.05))),
    ],
)
def test_an_optimizer_in_every_form(written: object, meant: object) -> None:
    assert TrainingConfig(optimizer=written).optimizer == meant  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_resolved_config_reads_back_equal(kind: type, schedule: type) -> None:
    config = TrainingConfig(optimizer=kind.name, schedule=schedule.name)
    plain = config.model_dump(mode="json")
    assert list(plain["optimizer"]) == [kind.name] and list(plain["schedule"]) == [schedule.name]
    assert TrainingConfig.model_validate(plain) == config


def test_errors_stand_where_the_recipe_has_the_mistake() -> None:
    assert problems(optimizer={"adamw": {"lr": -1, "beta": 1}}) == [
        (("optimizer", "adamw", "lr"), "greater_than"),
        (("optimizer", "adamw", "beta"), "extra_forbidden"),
    ]
    assert problems(optimizer={"adamw": "fast"}) == [(("optimizer", "adamw"), "float_parsing")]
    assert problems(optimizer={"muon": {"rest": {"sgd": {"lr": 0}}}}) == [(("optimizer", "muon", "rest", "sgd", "lr"), "greater_than")]
    assert problems(schedule={"cosine": {"warmup": 2}}) == [(("schedule", "cosine", "warmup"), "less_than_equal")]
    assert problems(optimizer={"adamw": -1}, epochs=0) == [(("epochs",), "greater_than_equal"), (("optimizer", "adamw"), "greater_than")]


@pytest.mark.parametrize("given", [3, ["adamw"], {"adamw": 1, "sgd": 1}, {}, None])
def test_what_is_no_optimizer_is_refused(given: object) -> None:
    assert problems(optimizer=given) == [(("optimizer",), "optimizer-form")]


def test_did_you_mean() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingConfig.model_validate({"optimizer": {"adamm": 0.1}, "schedule": "onecycle"})
    optimizer, schedule = caught.value.errors()
    assert (optimizer["loc"], optimizer["type"], optimizer["ctx"]["guess"]) == (("optimizer", "adamm"), "optimizer-unknown", "adam")
    assert (schedule["loc"], schedule["type"], schedule["ctx"]["guess"]) == (("schedule",), "schedule-unknown", "one_cycle")
    assert "did you mean 'one_cycle'" in schedule["msg"]


@pytest.mark.parametrize("name", ["{x}", "{0.__class__}", "\x1b[31m", "💥", "", "{"])
def test_a_hostile_name_is_only_a_name(name: str) -> None:
    assert problems(optimizer=name) == [(("optimizer",), "optimizer-unknown")]
    assert problems(optimizer={name: 1}) == [(("optimizer", name), "optimizer-unknown")]


def test_lbfgs_takes_all_examples_and_a_constant_learning_rate() -> None:
    config = TrainingConfig(optimizer="lbfgs")  # type: ignore[arg-type]
    assert (config.batch_size, config.schedule) == ("all", Constant())
    assert problems(optimizer="lbfgs", batch_size=32) == [(("batch_size",), "full-batch-size")]
    assert TrainingConfig(optimizer=Lbfgs(mini_batch=True), batch_size=32).batch_size == 32


def test_the_others_take_batches_and_one_cycle() -> None:
    config = TrainingConfig()
    assert (config.batch_size, config.schedule) == (64, OneCycle())
    assert TrainingConfig(schedule={"cosine": 0.1}).schedule == Cosine(warmup=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [0, -1, True, "some", 1.5, 10**12])
def test_a_batch_size_is_a_number_or_all(given: object) -> None:
    assert problems(batch_size=given) == [(("batch_size",), "batch-size-form")]


def test_fused_only_where_there_is_one() -> None:
    assert problems(optimizer="rmsprop", fused=True) == [(("fused",), "optimizer-not-fused")]
    assert TrainingConfig(optimizer="sgd", fused=True).fused  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu; rm -rf /", "cuda:99999"])
def test_a_device_is_one_that_torch_knows(device: str) -> None:
    assert problems(device=device) == [(("device",), "string_pattern_mismatch")]


def test_the_catalogue_says_what_each_is_good_for() -> None:
    entries = {entry.name: entry for entry in optimizer_catalogue()}
    assert list(entries) == [kind.name for kind in OPTIMIZERS]
    assert [name for name, entry in entries.items() if entry.batch == "full batch"] == ["rprop", "lbfgs"]
    assert all(len(entry.good_for) > 30 for entry in entries.values())
    assert entries["adamw"].settings["lr"] == 3e-3


def test_the_schema_knows_both_forms() -> None:
    options = TrainingConfig.model_json_schema()["properties"]["optimizer"]["anyOf"]
    assert options[0] == {"enum": [kind.name for kind in OPTIMIZERS]}
    adamw = options[1]["properties"]["adamw"]["anyOf"]
    assert options[1]["required"] == ["adamw"] and adamw[0]["properties"]["lr"]["default"] == 3e-3 and adamw[1]["type"] == "number"


def test_every_setting_is_explained() -> None:
    for kind in (TrainingConfig, *OPTIMIZERS, *SCHEDULES):
        assert field_texts(kind).keys() >= kind.model_fields.keys(), kind


def test_config_and_advice_need_no_torch() -> None:
    code = (
        "import sys, flambeau.training.config, flambeau.training.advice, flambeau.training.optimizers as o;"
        "o.optimizer_catalogue(); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
