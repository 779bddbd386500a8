"""--device of predict and serve, as far as a machine without a GPU can tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import flambeau as fb
from flambeau import cli
from flambeau.errors import DeviceError, UsageError


@pytest.mark.parametrize("name", ["cuda:x", "gpu", "cpu:0", "", "CUDA", "cuda:0\n"])
def test_a_device_that_cannot_be(name: str, small_run: Path) -> None:
    with pytest.raises(UsageError) as caught:
        fb.load(small_run, device=name)
    assert caught.value.code == "device-name"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("verb", [("predict", "nothing.png"), ("serve", "--port", "0")])
def test_a_gpu_that_is_not_there(verb: tuple[str, ...], small_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([verb[0], str(small_run), *verb[1:], "--device", "cuda", "--json"]) == DeviceError.exit_code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "device-missing"
