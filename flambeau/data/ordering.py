"""A split by time: the earliest examples train, the latest are the test, as a model will meet what comes after it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC

import numpy as np
import numpy.typing as npt

from flambeau.cells import moment_of, number_of
from flambeau.data.config import SplitConfig
from flambeau.data.examples import TEST, TRAIN, VALID, Source
from flambeau.errors import DataError
from flambeau.messages import printable


def in_order(source: Source, config: SplitConfig) -> Source:
    """The source with the split of each example given by the order of a column; examples of one time stay in one split.

    Raises:
        DataError: the data brings a split of its own, cells that are neither all numbers nor all dates, or too few different ones.
    """
    assert config.order is not None
    if source.given is not None:
        raise DataError("order-given", where="data.split.order", column=config.order)
    values = source.values(config.order)
    places = ranks(values)
    if places is None:
        row = next((row for row, value in enumerate(values) if ranks([value]) is None), 0)  # none: numbers and dates are mixed
        raise DataError("order-form", where=source.where(row), column=config.order, value=printable(str(values[row])[:40]))
    return replace(source, given=shared_out(places, config, config.order))


def windows_in_order(source: Source, firsts: npt.NDArray[np.int64], lasts: npt.NDArray[np.int64], config: SplitConfig) -> Source:
    """Windows of series with the split of each given by where it ends; those that reach back into the split before theirs are left out.

    Args:
        firsts: (examples,) place in time at which each begins.
        lasts: (examples,) place in time at which each ends.

    Raises:
        DataError: too few of them, so that a split has none.
    """
    column = str(config.order)
    words = np.array(shared_out(np.unique(lasts, return_inverse=True)[1], config, column))
    kept = words == TRAIN
    for before, word in ((TRAIN, VALID), (VALID, TEST)):
        kept |= (words == word) & (firsts > lasts[words == before].max())
    if len(set(words[kept].tolist())) < len((TRAIN, VALID, TEST)):
        raise DataError("order-few", where=column, column=column, n=len(np.unique(lasts)))
    rows = np.flatnonzero(kept).tolist()
    return replace(source, examples=[source.examples[row] for row in rows], given=tuple(words[kept].tolist()))


def ranks(values: Sequence[object]) -> npt.NDArray[np.int64] | None:
    """Numbers, or dates (a text, or `datetime`) -> the place of each among the different ones, from 0; None for anything else."""
    for key in (number_of, _seconds):
        try:
            found = np.array([key(value) for value in values], np.float64)
        except (ValueError, TypeError, OverflowError):
            continue
        return np.unique(found, return_inverse=True)[1].astype(np.int64)
    return None


def _seconds(value: object) -> float:
    """A date -> seconds since 1970; of one without a zone as if it were UTC, where no hour comes twice."""
    moment = moment_of(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def follows_time(values: Sequence[object]) -> bool:
    """Whether these, in the order of the examples, rise from date to date, most of them different: a record of what happened."""
    places = ranks(values)
    return places is not None and len(places) > 2 and bool((np.diff(places) >= 0).all()) and 2 * (places[-1] + 1) > len(places)


def shared_out(places: npt.NDArray[np.int64], config: SplitConfig, column: str) -> tuple[str, ...]:
    """Places in time -> train, valid or test for each, in about the shares of the recipe.

    Raises:
        DataError: there are not three different places.
    """
    counts = np.bincount(places)
    if len(counts) < 3:
        raise DataError("order-few", where=column, column=column, n=len(counts))
    before = np.cumsum(counts) / len(places)  # the share of the examples up to and with each place
    low = int(np.clip(np.searchsorted(before, config.train - 1e-9), 0, len(counts) - 3))
    high = int(np.clip(np.searchsorted(before, config.train + config.valid - 1e-9), low + 1, len(counts) - 2))
    return tuple(TRAIN if place <= low else VALID if place <= high else TEST for place in places.tolist())
