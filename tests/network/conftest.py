"""What all tests of networks share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random weights and examples whatever ran before, so that a tolerance is met or not, always."""
    torch.manual_seed(0)
