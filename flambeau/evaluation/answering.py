"""Raw examples -> answers, through the road that ships: every file is opened and decoded anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flambeau.predictor import BATCH, Predictor
from flambeau.types import Example, Runner


def answer_all(predictor: Predictor, examples: Sequence[Example], progress: Callable[[int, int], None]) -> npt.NDArray[np.float32]:
    """Raw examples -> (examples, answers) in answer space.

    Raises:
        DataError: an example cannot be read.
    """
    [answers] = answer_by_each(predictor, [predictor.runner], examples, progress)
    return answers


def answer_by_each(
    predictor: Predictor, runners: Sequence[Runner], examples: Sequence[Example], progress: Callable[[int, int], None]
) -> list[npt.NDArray[np.float32]]:
    """The same once for each runner, with `predictor`'s preprocessing. The files of the next batch are decoded while one is answered.

    Raises:
        DataError: an example cannot be read.
    """
    roads = [replace(predictor, runner=runner) for runner in runners]
    answers: list[list[npt.NDArray[np.float32]]] = [[] for _ in roads]
    with ThreadPoolExecutor() as pool:
        starts = range(0, len(examples), BATCH)
        waiting = pool.map(predictor.encode, examples[:BATCH])
        for start in starts:
            encoded = list(waiting)
            waiting = pool.map(predictor.encode, examples[start + BATCH : start + 2 * BATCH])
            for road, given in zip(roads, answers, strict=True):
                given.append(road.answer(encoded))
            progress(min(start + BATCH, len(examples)), len(examples))
    return [np.concatenate(given) for given in answers]
