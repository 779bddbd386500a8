"""Garbage is searched for rarely while the command line starts or requests are answered, and as usual in a training."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

import flambeau as fb
from flambeau import cli
from flambeau.garbage import RARE, search_as_usual, search_rarely
from flambeau.types import Epoch

USUAL = gc.get_threshold()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    gc.set_threshold(*USUAL)


def test_a_command_starts_with_rare_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(cli, "run", lambda arguments: seen.append(gc.get_threshold()[0]) or 0)
    with pytest.raises(SystemExit):
        cli.main(["doctor"])
    assert seen == [RARE] and 10 * USUAL[0] < RARE


def test_a_training_searches_as_usual(few_digits: Path, tmp_path: Path) -> None:
    seen = []

    def show(event: object) -> None:
        if isinstance(event, Epoch):
            seen.append(gc.get_threshold())

    search_rarely()
    fb.fit(few_digits, run=tmp_path / "run", epochs=1, recipe={"network": ["flatten"]}, show=show)
    assert seen == [USUAL]


def test_a_threshold_of_somebody_else_stays() -> None:
    gc.set_threshold(1234, 5, 6)
    search_as_usual()
    assert gc.get_threshold() == (1234, 5, 6)
    search_rarely()
    search_as_usual()
    assert gc.get_threshold() == USUAL


@pytest.mark.parametrize("threshold", [0, 2 * RARE])
def test_who_searches_more_rarely_goes_on_so(threshold: int) -> None:
    gc.set_threshold(threshold)
    search_rarely()
    assert gc.get_threshold()[0] == threshold


def test_requests_are_answered_with_rare_searches(few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flambeau.serving.server import Server

    seen = []
    monkeypatch.setattr(Server, "run", lambda self, sockets: seen.append(gc.get_threshold()))
    model = fb.fit(few_digits, run=tmp_path / "run", epochs=1, recipe={"network": ["flatten"]}, show=fb.silent)
    gc.set_threshold(*USUAL)
    fb.serve(model.path, port=0)
    assert [threshold[0] for threshold in seen] == [RARE]
    assert gc.get_threshold() == USUAL
