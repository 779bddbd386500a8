"""A run for commands that need one, trained once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, few_digits: Path) -> Path:
    """Read only."""
    import flambeau as fb

    torch.set_num_threads(1)
    recipe = {"inputs": {"image": {"type": "image", "augment": []}}, "network": ["flatten"], "training": {"epochs": 1, "stop_early": None}}
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLAMBEAU_CACHE", str(tmp_path_factory.mktemp("cache")))
        fb.fit(few_digits, recipe=recipe, run=folder, show=fb.silent)
    return folder
