"""Which examples are learned from, which choose the best epoch, and which are looked at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flambeau.data.config import SplitConfig
from flambeau.data.duplicates import Sets
from flambeau.data.examples import TEST, TRAIN, VALID, WORDS, class_counts, counted, some
from flambeau.data.sharing import share_out, units_per_class
from flambeau.errors import DataError, Notice
from flambeau.naming import natural

Integers = npt.NDArray[np.int64]
SHOWN = 10
"""Classes that an error names."""


@dataclass(frozen=True)
class Split:
    """Rows of the source, rising, no row in two of them."""

    train: Integers
    valid: Integers
    test: Integers
    notices: tuple[Notice, ...] = ()

    def used(self) -> Integers:
        """The rows of all three, rising."""
        return np.sort(np.concatenate([self.train, self.valid, self.test]))

    def words(self, size: int) -> list[str]:
        """For each of `size` rows train, valid or test; "" for a row that is in none."""
        words = [""] * size
        for word, rows in zip(WORDS, (self.train, self.valid, self.test), strict=True):
            for row in rows.tolist():
                words[row] = word
        return words


def split(
    labels: Sequence[object],
    clusters: Integers,
    config: SplitConfig,
    groups: Sequence[object] | None = None,
    given: Sequence[str | None] | None = None,
    rows: Integers | None = None,
) -> Split:
    """Labels and clusters of all examples -> the rows of each split, stratified by label, no cluster and no group in two.

    A split that the data brings stays as it is; what it lacks is cut out of its train part, by the shares. Copies of one
    example on two sides of a given border stay there too, as the border is the user's, but they are counted in a notice.

    Args:
        labels: (examples,) of the whole source.
        clusters: (examples,) equal numbers for copies of one thing.
        config: shares and seed.
        groups: (examples,) equal values stay together as well.
        given: (examples,) train, valid or test where the data says so; None counts as train.
        rows: the examples that take part; by default all.

    Raises:
        DataError: no examples, a class that is too small to be in every split, or one of which train has none.
    """
    rows = np.arange(len(labels)) if rows is None else np.asarray(rows, np.int64)
    if not len(rows):
        raise DataError("data-empty", where="data")
    names = [str(labels[row]) for row in rows.tolist()]
    classes = {name: number for number, name in enumerate(sorted(set(names), key=natural))}
    codes = np.array([classes[name] for name in names], np.int64)
    units = _units(clusters[rows], None if groups is None else [groups[row] for row in rows.tolist()])
    words = [TRAIN] * len(rows) if given is None else [given[row] or TRAIN for row in rows.tolist()]
    present = [word for word in WORDS if word in words]
    wanted = [word for word in WORDS if word == TRAIN or word not in present]
    notices = _about_given(words, present, names, units) if given is not None else []
    pool = np.array([place for place, word in enumerate(words) if word == TRAIN], np.int64)
    if len(wanted) > 1:
        _check_sizes(codes[pool], units[pool], tuple(classes), len(wanted))
        shares = [{TRAIN: config.train, VALID: config.valid, TEST: config.test}[word] for word in wanted]
        for place, part in zip(pool.tolist(), share_out(codes[pool], units[pool], shares, config.seed).tolist(), strict=True):
            words[place] = wanted[part]
        notices += _uncovered(words, names, wanted)
    train, valid, test = (rows[[place for place, word in enumerate(words) if word == name]] for name in WORDS)
    return Split(train, valid, test, tuple(notices))


def expected_sizes(number: int, config: SplitConfig, given: Sequence[str | None] | None = None) -> dict[str, int]:
    """About how many of `number` examples train, valid and test will have, before anything is cleaned out.

    Args:
        given: as for `split`.
    """
    words = [word or TRAIN for word in given] if given is not None else [TRAIN] * number
    sizes = {word: words.count(word) for word in WORDS}
    shares = {word: share for word, share in zip(WORDS, (config.train, config.valid, config.test), strict=True) if word == TRAIN or not sizes[word]}
    return {word: round(sizes[TRAIN] * shares[word] / sum(shares.values())) if word in shares else sizes[word] for word in WORDS}


def overlap(split: Split, clusters: Integers) -> int:
    """How many examples of valid and test have a copy in another split. 0, unless the data brought the split."""
    parts = [clusters[rows] for rows in (split.train, split.valid, split.test)]
    train, valid, test = parts
    return int(np.isin(valid, np.concatenate([train, test])).sum() + np.isin(test, np.concatenate([train, valid])).sum())


def _units(clusters: Integers, groups: Sequence[object] | None) -> Integers:
    """What has to stay together: clusters, joined where they share a group."""
    _, units = np.unique(clusters, return_inverse=True)
    if groups is None:
        return units
    numbers: dict[object, int] = {}
    size = int(units.max(initial=-1)) + 1
    sets = Sets(size + len(groups))
    for unit, group in zip(units.tolist(), groups, strict=True):
        known = group if isinstance(group, Hashable) else repr(group)
        sets.join(unit, size + numbers.setdefault(known, len(numbers)))
    return sets.names()[units]


def _check_sizes(codes: Integers, units: Integers, classes: Sequence[str], num_parts: int) -> None:
    """Every class needs as many independent examples as there are splits to be cut."""
    numbers = units_per_class(codes, units)
    counts = class_counts(classes[code] for code in codes.tolist())
    small = [code for code in np.unique(codes).tolist() if numbers[code] < num_parts]
    if len(small) > SHOWN:
        names = some((classes[code] for code in small), SHOWN)
        raise DataError("classes-too-small", where=classes[small[0]], n=len(small), total=len(counts), needed=num_parts, names=names)
    for code in small:
        examples = counts[classes[code]]
        error = "class-too-small" if examples < num_parts else "class-too-alike"
        apart, told = int(numbers[code]), counted(counts, SHOWN)
        raise DataError(error, where=classes[code], label=classes[code], n=examples, needed=num_parts, apart=apart, counts=told)


def _about_given(words: Sequence[str], present: Sequence[str], names: Sequence[str], units: Integers) -> list[Notice]:
    """What a user should know about a split that the data brings."""
    if TRAIN not in present:
        raise DataError("split-without-train", where="train", words=", ".join(present))
    labels = {word: {name for name, one in zip(names, words, strict=True) if one == word} for word in present}
    unseen = sorted(set().union(*labels.values()) - labels[TRAIN], key=natural)
    if unseen:
        raise DataError("class-not-in-train", where=unseen[0], labels=some(unseen))
    notices = []
    missing = [word for word in WORDS if word not in present]
    if missing:
        notices.append(Notice("split-cut", {"words": " + ".join(missing)}))
    codes = np.array([WORDS.index(word) for word in words])
    crossing = int(np.isin(units[codes > 0], _in_several(units, codes)).sum())
    if crossing:
        notices.append(Notice("duplicates-cross", {"n": crossing}))
    return notices


def _in_several(units: Integers, codes: Integers) -> Integers:
    """The units that lie in more than one split."""
    pairs = np.unique(np.stack([units, codes], axis=1), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    return names[counts > 1]


def _uncovered(words: Sequence[str], names: Sequence[str], wanted: Sequence[str]) -> list[Notice]:
    """A notice for classes that could not be put into every split, as groups tie them together."""
    pairs = set(zip(names, words, strict=True))
    lacking = [f"{name} ({word})" for name in sorted(set(names), key=natural) for word in wanted if (name, word) not in pairs]
    return [Notice("class-uncovered", {"names": some(lacking)})] if lacking else []
