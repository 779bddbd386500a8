from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from flambeau.errors import DataError, FlambeauError
from flambeau.predictor import Predictor
from flambeau.serving import batcher as batching
from flambeau.serving.batcher import Batcher
from flambeau.serving.capacity import Capacity, measure
from flambeau.serving.config import Limits
from flambeau.serving.forward import Answer, Forward, Ran
from flambeau.types import TensorSpec


def batcher(model, observe=lambda ran: None, max_queue=1000, queue_seconds=10.0):
    return Batcher(model.predictor, Limits(max_queue=max_queue, queue_seconds=queue_seconds), observe)


def asked(collector, reads, num_bytes):
    """The results of a request's examples, once they are there."""
    future = asyncio.get_running_loop().create_future()
    collector.submit(reads, num_bytes, future.set_result)
    return future


def reads(model, pictures):
    return [lambda picture=picture: model.predictor.encode({"image": picture}) for picture in pictures]


def blank_reads(count):
    return [lambda: {"image": np.zeros((1, 8, 8), np.uint8)}] * count


def of_any_length(model, runner):
    """A predictor whose pictures are as wide as they like."""

    class Varying(type(model.predictor.inputs["image"])):
        @property
        def spec(self):
            return TensorSpec(("channels", "height", "width"), (1, 8, None), "uint8")

    return Predictor({"image": Varying()}, runner, model.predictor.target)


@pytest.mark.parametrize(
    ("cost", "largest"),
    [
        (lambda size: 1.0, 32),  # a launch costs, examples are free
        (lambda size: size * 1.0, 1),  # nothing gained by company
        (lambda size: 1.0 if size <= 4 else size / 4, 4),  # flattens at four
        (lambda size: size**0.957, 32),  # 3 % more with each doubling
        (lambda size: size**0.993, 1),  # half a percent more with each: it may as well be chance
    ],
)
def test_capacity_is_where_throughput_flattens(cost, largest):
    now = [0.0]

    def run(size):
        now[0] += cost(size) / 1e6

    capacity = measure(run, clock=lambda: now[0])
    assert capacity.max_batch == largest
    assert capacity.cost(1) == pytest.approx(cost(1) / 1e6)
    assert capacity.throughput() == pytest.approx(largest / cost(largest) * 1e6)


def test_a_heavy_model_is_not_timed_for_ever():
    now, sizes = [0.0], []

    def run(size):
        sizes.append(size)
        now[0] += 1.0

    assert measure(run, clock=lambda: now[0]).max_batch == 1
    assert sizes == [1]


def test_what_the_start_had_no_time_for_is_tried_when_so_many_wait():
    """A model of 60 ms whose batches cost nothing more up to eight; each size takes long when it comes for the first time."""
    capacity = measure(lambda size: None, clock=iter([0.0, 0.0, 0.06, 0.06, 0.2, 0.2, 0.2]).__next__)
    assert (capacity.sizes, capacity.max_batch) == ((1,), 1)
    tried = []
    for num_waiting in (1, 1, 2, 3, 4, 8, 16, 40, 40, 40, 40, 40, 40):
        size = min(num_waiting, capacity.largest(num_waiting))
        capacity = capacity.learned(size, (0.06 if size <= 8 else 0.06 * size / 8) * (1 if size in tried else 10))
        tried.append(size)
    assert tried == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 16, 16, 8]
    assert capacity.max_batch == 8 and capacity.cost(5) == 0.06
    assert capacity.learned(16, 0.09).max_batch == 16, "a neighbour had kept the machine busy"


@pytest.mark.parametrize("slower", [1.0, 2.0])
def test_a_machine_that_has_become_slower_hides_no_gain(slower):
    """Batches of four gain a fifth. While a neighbour works, one of them takes longer than it did before with two."""
    capacity = Capacity((1, 2), (0.012, 0.02), 2)
    for _ in range(5):
        capacity = capacity.learned(2, 0.02 * slower)
    for _ in range(4):
        size = capacity.largest(40)
        capacity = capacity.learned(size, {2: 0.02, 4: 0.033, 8: 0.066, 16: 0.132}[size] * slower)
    assert capacity.sizes[:3] == (1, 2, 4) and capacity.max_batch == 4
    assert capacity.cost(4) == pytest.approx(0.033)


def test_a_machine_that_has_become_quicker_makes_no_gain():
    capacity = Capacity((1, 2), (0.024, 0.048), 1).learned(1, 0.024).learned(1, 0.012)
    assert capacity.learned(4, 0.048).max_batch == 1


def test_a_batch_that_takes_long_is_not_made_longer():
    capacity = measure(lambda size: None, clock=iter([0.0, 0.0, 0.06, 0.06, 0.2, 0.2, 0.2]).__next__)
    asked = []
    for _ in range(10):
        asked.append(capacity.largest(40))
        capacity = capacity.learned(asked[-1], 0.06 if asked[-1] <= 2 else 0.105)
    assert asked[:4] == [2, 4, 4, 4] and capacity.max_batch == 4
    assert Capacity((1, 2, 4, 8), (0.014, 0.025, 0.048, 0.09), 8).largest(40) == 16, "eight take less than what counts as long"
    assert Capacity((1, 2), (0.01, 0.2), 1).largest(40) == 4, "a single slow run at the start does not count as long"


def test_sizes_of_a_quick_model_that_the_start_left_out_are_tried_too(model):
    async def main():
        collector = batcher(model)
        collector.capacity = Capacity((1, 2), (1e-3, 1.5e-3), 2)
        for _ in range(3):
            await asked(collector, blank_reads(64), 64)
        return collector.capacity

    assert asyncio.run(main()).sizes[-1] == 32


def test_answers_are_those_of_the_predictor(model, pictures):
    async def main():
        collector = batcher(model)
        return await asked(collector, reads(model, pictures), 100 * len(pictures))

    answers = asyncio.run(main())
    direct = model.predictor.predict([{"image": picture} for picture in pictures])
    for answer, prediction in zip(answers, direct, strict=True):
        assert answer.prediction.label == prediction.label
        assert answer.prediction.confidence == pytest.approx(prediction.confidence, abs=1e-6)
        assert answer.row.argmax() == int(prediction.label)


@pytest.mark.parametrize(("num_waiting", "turns"), [(0, 20), (1, 20), (9, 3)])
def test_the_loop_naps_while_more_than_a_batch_waits(model, monkeypatch, num_waiting, turns):
    """A batch of 0.4 s in the worker; the loop would turn every 10 ms."""
    monkeypatch.setattr(batching, "NAP", 0.2)
    turned = []

    def slow():
        time.sleep(0.4)
        return {"image": np.zeros((1, 8, 8), np.uint8)}

    async def main():
        collector = batcher(model)
        collector.capacity = Capacity((1, 4), (0.1, 0.4), 4)
        running = asked(collector, [slow], 1)
        await asyncio.sleep(0)
        waiting = [asked(collector, blank_reads(num_waiting), 1)] if num_waiting else []
        while not running.done():
            turned.append(time.monotonic())
            await asyncio.sleep(0.01)
            if num_waiting > 4:
                waiting.append(asked(collector, blank_reads(1), 1))
        await asyncio.gather(*waiting)

    asyncio.run(main())
    assert (len(turned) <= turns) if num_waiting > 4 else (len(turned) >= turns)


def test_a_nap_ends_with_the_batch(model, monkeypatch):
    monkeypatch.setattr(batching, "NAP", 30.0)

    async def main():
        collector = batcher(model)
        collector.capacity = Capacity((1, 4), (0.1, 0.4), 4)
        first = asked(collector, blank_reads(4), 1)
        await asyncio.sleep(0)
        return [*await asked(collector, blank_reads(9), 1), *await first]

    begin = time.monotonic()
    assert len(asyncio.run(main())) == 13
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_batch_is_what_queued_meanwhile(model, pictures, in_thread):
    batches, threads = [], set()
    num_bytes = 10**9 if in_thread else 1

    async def main():
        collector = batcher(model, lambda ran: batches.append(len(ran.results)))
        collector.capacity = type(collector.capacity)((1, 32), (1e-5, 1e-4), collector.capacity.max_batch)

        def read():
            threads.add(threading.current_thread())
            return model.predictor.encode({"image": pictures[0]})

        first = asked(collector, [read] * 3, num_bytes)
        second = asked(collector, [read] * 2, num_bytes)
        assert collector.is_busy and collector.num_waiting == 5
        await asyncio.gather(first, second)
        assert not collector.is_busy
        collector.close()

    asyncio.run(main())
    assert sum(batches) == 5 and batches[0] == min(5, max(batches))
    assert (threading.main_thread() in threads) is not in_thread


def test_one_slow_picture_keeps_the_next_ones_out_of_the_loop(model):
    threads = []

    def read(seconds):
        threads.append(threading.current_thread() is threading.main_thread())
        begin = time.thread_time()
        while time.thread_time() - begin < seconds:
            pass
        return {"image": np.zeros((1, 8, 8), np.uint8)}

    async def main():
        collector = batcher(model)
        collector.capacity = type(collector.capacity)((1,), (1e-5,), 1)
        for seconds in (0.0, 0.1, 0.0):
            await asked(collector, [lambda seconds=seconds: read(seconds)], 100)
        collector.close()

    asyncio.run(main())
    assert threads[0] is True and threads[2] is False


def test_a_quick_batch_is_not_made_longer_than_quick(model):
    """Twenty examples whose decoding would hold up the loop together: they run in it all the same, in several batches."""
    batches = []

    async def main():
        collector = batcher(model, lambda ran: batches.append(len(ran.results)))
        collector.capacity = type(collector.capacity)((1, 32), (1e-5, 1e-5), 32)
        await asked(collector, blank_reads(20), 20 * 5000)  # 0.5 ms each, at the rate that is assumed at first
        assert threading.active_count() <= before

    before = threading.active_count()
    asyncio.run(main())
    assert sum(batches) == 20 and batches[0] == 9


def test_a_batch_is_made_longer_where_that_brings_much(model):
    """A recurrent network, say: 4 ms for one, 8 for all of them."""
    batches = []

    async def main():
        collector = batcher(model, lambda ran: batches.append(len(ran.results)))
        collector.capacity = Capacity((1, 2, 4, 8, 16, 32), (0.004, 0.0045, 0.005, 0.006, 0.007, 0.008), 32)
        await asked(collector, blank_reads(32), 32)
        collector.close()

    asyncio.run(main())
    assert batches == [32]


def test_examples_of_any_length_run_in_the_loop_while_they_are_short(model):
    """The start has timed sixteen steps; an example of a thousand takes sixty times as long."""
    in_loop = []

    def runner(inputs):
        in_loop.append(threading.current_thread() is threading.main_thread())
        time.sleep(2e-5 * inputs["image"].shape[-1])
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    async def main():
        collector = Batcher(of_any_length(model, runner), Limits(), lambda ran: None)
        in_loop.clear()
        for length in (16, 1000, 1000, 1000, 16):
            await asked(collector, [lambda length=length: {"image": np.zeros((1, 8, length), np.uint8)}], 8 * length)
        collector.close()

    asyncio.run(main())
    assert in_loop[0] and in_loop[4] and not any(in_loop[2:4])


def test_a_slow_file_is_remembered_by_time_and_not_by_batches(model):
    """A small file that takes long, then thousands of quick ones: the next such file is not taken into the loop for that."""

    async def main():
        collector = batcher(model)
        collector.capacity = Capacity((1,), (1e-5,), 1)
        sample = {"image": np.zeros((1, 8, 8), np.uint8)}

        def slow():
            begin = time.thread_time()
            while time.thread_time() - begin < 0.1:
                pass
            return sample

        await asked(collector, [slow], 6000)
        for _ in range(500):
            await asked(collector, [lambda: sample], 6000)
        remembered = collector._cost(1, 6000)
        collector.close()
        return remembered

    assert asyncio.run(main()) > 0.05


def test_queue_is_bounded_and_says_when_to_come_back(model):
    async def main():
        collector = batcher(model, max_queue=4)
        first = asked(collector, blank_reads(4), 1)
        with pytest.raises(FlambeauError) as refused:
            asked(collector, blank_reads(1), 1)
        assert refused.value.code == "queue-full" and refused.value.facts["seconds_to_wait"] >= 0
        assert all(isinstance(result, Answer) for result in await first)

    asyncio.run(main())


def test_what_would_wait_too_long_is_refused_at_once(model):
    """The pace of the last batches says how long the queue will take; a queue that is quick is not."""

    def slow():
        time.sleep(0.02)
        return {"image": np.zeros((1, 8, 8), np.uint8)}

    async def main():
        collector = Batcher(model.predictor, Limits(wait_seconds=0.1), lambda ran: None)
        collector.capacity = type(collector.capacity)((1,), (1e-5,), 1)
        for _ in range(20):
            await asked(collector, [slow], 10**9)
        futures = []
        with pytest.raises(FlambeauError, match="queue-full"):
            futures.extend(asked(collector, [slow], 10**9) for _ in range(200))
        assert 3 <= len(futures) <= 8  # 0.1 seconds at 0.02 each, give or take a busy machine
        assert all(isinstance(result, Answer) for (result,) in await asyncio.gather(*futures))
        collector.close()

    asyncio.run(main())


def test_late_and_forsaken_examples_are_dropped_before_decoding(model):
    read = []

    async def main():
        collector = batcher(model, queue_seconds=0.05)
        forsaken = collector.submit([lambda: read.append("forsaken")], 1, read.append)
        late = asked(collector, [lambda: read.append("late")], 1)
        forsaken.drop()
        time.sleep(0.1)  # the loop does not turn meanwhile, as if a batch was running
        assert [result.code for result in await late] == ["queue-expired"]

    asyncio.run(main())
    assert read == []


def test_what_cannot_be_read_fails_alone(model, pictures, caplog):
    def hostile():
        raise ZeroDivisionError("at 0xdeadbeef")

    forward = Forward(model.predictor, 8)
    good = reads(model, pictures[:2])
    ran = forward([good[0], *reads(model, [b"nothing"]), hostile, good[1]])
    kinds = [getattr(result, "code", "answer") for result in ran.results]
    assert kinds == ["answer", "image-unreadable", "server-bug", "answer"]
    assert "0xdeadbeef" not in str(ran.results[2]) and "ZeroDivisionError" in caplog.text
    assert isinstance(ran.results[1], DataError) and isinstance(ran, Ran)


@pytest.mark.parametrize("fault", ["raises", "nan"])
def test_an_example_that_breaks_the_model_fails_alone(make_model, fault, caplog):
    def runner(inputs):
        poisoned = inputs["image"].max(axis=(1, 2, 3)) == 255
        if fault == "raises" and poisoned.any():
            raise RuntimeError("no kernel")
        answers = np.full((len(poisoned), 10), 0.1, np.float32)
        answers[poisoned] = np.nan
        return answers

    forward = Forward(make_model(runner).predictor, 4)
    results = forward([lambda level=level: {"image": np.full((1, 8, 8), level, np.uint8)} for level in (100, 255)]).results
    assert isinstance(results[0], Answer)
    assert results[1].code == {"raises": "server-bug", "nan": "answer-invalid"}[fault]


class Panic(BaseException):
    """What a library in Rust raises when it fails: no Exception."""


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("place", ["reading", "model"])
def test_the_server_survives_a_panic(make_model, place, in_thread, caplog):
    def runner(inputs):
        if place == "model" and inputs["image"].max() == 255:
            raise Panic("range end index 18446744073709551608")
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    def panicking():
        if place == "reading":
            raise Panic("range end index 18446744073709551608")
        return {"image": np.full((1, 8, 8), 255, np.uint8)}

    async def main():
        collector = batcher(make_model(runner))
        num_bytes = 10**9 if in_thread else 1
        first = asked(collector, [panicking, *blank_reads(1)], num_bytes)
        later = await asyncio.wait_for(asked(collector, blank_reads(1), num_bytes), 10)
        collector.close()
        return *await first, *later

    broken, *others = asyncio.run(main())
    assert broken.code == "server-bug" and "range end index" in caplog.text
    assert all(isinstance(one, Answer) for one in others)


def test_an_empty_batch_of_readable_examples(model):
    assert [result.code for result in Forward(model.predictor, 2)(reads(model, [b"x"])).results] == ["image-unreadable"]


def test_values_of_varying_size_are_collated(model):
    shapes = []

    def runner(inputs):
        shapes.append(inputs["image"].shape)
        return np.full((len(inputs["image"]), 10), 0.1, np.float32)

    predictor = of_any_length(model, runner)
    assert len(Forward(predictor, 4)([lambda: {"image": np.zeros((1, 8, 5), np.uint8)}] * 2).results) == 2
    assert shapes == [(2, 1, 8, 5)]
    Batcher(predictor, Limits(), lambda ran: None)
    assert shapes[-1][1:] == (1, 8, 16)
