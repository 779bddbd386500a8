"""Raw examples -> answers, through the road that ships: every file is opened and decoded anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from flambeau.predictor import BATCH, Predictor
from flambeau.types import Example


def answer_all(predictor: Predictor, examples: Sequence[Example], progress: Callable[[int, int], None]) -> npt.NDArray[np.float32]:
    """Raw examples -> (examples, answers) in answer space. The files of the next batch are decoded while one is answered.

    Raises:
        DataError: an example cannot be read.
    """
    answers = []
    with ThreadPoolExecutor() as pool:
        starts = range(0, len(examples), BATCH)
        waiting = pool.map(predictor.encode, examples[:BATCH])
        for start in starts:
            encoded = list(waiting)
            waiting = pool.map(predictor.encode, examples[start + BATCH : start + 2 * BATCH])
            answers.append(predictor.answer(encoded))
            progress(min(start + BATCH, len(examples)), len(examples))
    return np.concatenate(answers)
