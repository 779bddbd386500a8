"""The zero-delay micro-batcher: a batch is whatever arrived while the last one ran. Nobody ever waits for company.

A batch that will be quick runs inside the event loop, where no thread has to be woken up; any other runs in one worker
thread, so that the loop goes on accepting, refusing and answering health checks meanwhile. While more than a batch waits,
it does so in bursts: each time it wakes up beside a running model it finds the caches of the processor full of weights,
and then a request costs several times as much.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue

from flambeau.errors import FlambeauError
from flambeau.predictor import Predictor
from flambeau.serving.capacity import SIZES, Capacity, measure
from flambeau.serving.config import Limits
from flambeau.serving.forward import Forward, Ran, Read, Result, blank

QUICK = 0.005
"""Seconds for which a batch may hold up the event loop: as long as the interpreter lets another thread keep it waiting anyway."""
WORTH = 1.25
"""So many times the examples a second a longer batch has to bring, if it is to go to the worker although a shorter one would be quick."""
NAP = 0.03
"""Seconds for which the loop sleeps at most while a batch runs and more than another one waits. No example is answered later
for it; a refusal or a health check may wait that long."""
FIRST_RATE = 1e-7
"""Seconds for one byte, before anything was measured: 100 kB count as 10 ms."""
PACE_SHARE = 0.1
"""How much of the expected pace the latest batch decides."""
_NOTHING: Result = FlambeauError("server-bug")
"""Where no result has come yet."""
FORGET = 0.95
"""How much of the slowest rate is remembered from second to second, so that one slow picture keeps the next ones out of the loop."""


class Ticket:
    """The examples of one request on their way."""

    __slots__ = ("_deliver", "_missing", "_results")

    def __init__(self, num_examples: int, deliver: Callable[[list[Result]], object]) -> None:
        self._results: list[Result] = [_NOTHING] * num_examples
        self._missing = num_examples
        self._deliver: Callable[[list[Result]], object] | None = deliver

    @property
    def is_dropped(self) -> bool:
        """Whether nobody waits for the results any more."""
        return self._deliver is None

    def drop(self) -> None:
        """Nobody waits for them."""
        self._deliver = None

    def put(self, place: int, result: Result) -> None:
        """One result; with the last one they are delivered."""
        self._results[place] = result
        self._missing -= 1
        if not self._missing and (deliver := self._deliver) is not None:
            self._deliver = None
            deliver(self._results)


@dataclass(slots=True)
class Work:
    """One example on its way."""

    read: Read
    num_bytes: int
    """Of the raw value: what its decoding will cost is guessed from it."""
    ticket: Ticket
    place: int
    """Among the examples of its request."""
    entered: float


class Batcher:
    """Collects examples and answers them together. Everything but `_work` runs in the event loop's thread."""

    def __init__(self, predictor: Predictor, limits: Limits, observe: Callable[[Ran], None]) -> None:
        sample = blank(predictor)
        self._forward = Forward(predictor, SIZES[-1])
        self.capacity: Capacity = measure(lambda size: self._forward.run([sample] * size))
        self._limits = limits
        self._observe = observe
        self._queue: deque[Work] = deque()
        self._rate = FIRST_RATE
        """Seconds for each byte of an example lately, at its slowest: for decoding it, and for the model where examples differ in size."""
        self._rated = time.monotonic()
        self._pace = 1 / self.capacity.throughput()
        """Seconds from one answered example to the next, while there are some."""
        self._begun = 0.0
        """When the batch that runs was begun."""
        self._batches: SimpleQueue[tuple[list[Work], asyncio.AbstractEventLoop] | None] = SimpleQueue()
        self._worker: threading.Thread | None = None
        self._worker_is_done = threading.Event()
        self._worker_is_done.set()
        self._is_sleepy = False
        """Whether a nap is about to begin."""
        self.is_busy = False
        """Whether a batch runs or is about to."""

    @property
    def num_waiting(self) -> int:
        """Examples that wait for the model."""
        return len(self._queue)

    def submit(self, reads: Sequence[Read], num_bytes: int, deliver: Callable[[list[Result]], object]) -> Ticket:
        """Take the examples of one request, `num_bytes` together; drop the ticket where nobody waits for them any more.

        Args:
            deliver: called later, once, with all results in order. It must not raise.

        Raises:
            FlambeauError: the queue is full, or so long that they would wait for too long.
        """
        num_waiting = len(self._queue)
        if num_waiting + len(reads) > self._limits.max_queue or num_waiting * self._pace > self._limits.wait_seconds:
            self._nap_soon()
            raise FlambeauError("queue-full", seconds_to_wait=self._queue_delay(), waiting=num_waiting)
        now = time.monotonic()
        ticket = Ticket(len(reads), deliver)
        for place, read in enumerate(reads):
            self._queue.append(Work(read, num_bytes // len(reads), ticket, place, now))
        if num_waiting + len(reads) > self.capacity.max_batch:
            self._nap_soon()
        if not self.is_busy:
            self.is_busy = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self._next, loop)  # after everything else that has just been read from other connections
        return ticket

    def forget(self) -> None:
        """Let go of the examples whose clients have left, as their bodies count for nothing any more."""
        self._queue = deque(work for work in self._queue if not work.ticket.is_dropped)

    def close(self) -> None:
        """Let the worker thread end after its batch."""
        self._batches.put(None)
        self._worker = None

    def _queue_delay(self) -> float:
        return len(self._queue) * self._pace

    def _nap_soon(self) -> None:
        """Sleep once everything that has come by now is read, refusals are sent, and nothing but the batch is left to wait for."""
        if not self._is_sleepy and not self._worker_is_done.is_set():
            self._is_sleepy = True
            asyncio.get_running_loop().call_soon(self._nap)

    def _nap(self) -> None:
        self._is_sleepy = False
        self._worker_is_done.wait(NAP)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._take()
        self._begun = time.monotonic()
        if not batch:
            self.is_busy = False
        elif self._cost(len(batch), sum([work.num_bytes for work in batch])) < QUICK:
            self._deliver(batch, self._forward([work.read for work in batch]), loop)
        else:
            self._worker_is_done.clear()
            self._batches.put((batch, loop))
            if self._worker is None:
                # A daemon: a second signal ends the process without waiting for a batch.
                self._worker = threading.Thread(target=self._work, name="flambeau-model", daemon=True)
                self._worker.start()

    def _take(self) -> list[Work]:
        """The next batch, without those whose client has left or whose time is over."""
        batch: list[Work] = []
        now = time.monotonic()
        most = self.capacity.largest(len(self._queue))
        while self._queue and len(batch) < most:
            work = self._queue.popleft()
            if work.ticket.is_dropped:
                continue
            if now - work.entered > self._limits.queue_seconds:
                expired = FlambeauError("queue-expired", seconds_to_wait=self._queue_delay(), seconds=self._limits.queue_seconds)
                work.ticket.put(work.place, expired)
            else:
                batch.append(work)
        size = self._size(batch)
        self._queue.extendleft(reversed(batch[size:]))
        return batch[:size]

    def _size(self, batch: Sequence[Work]) -> int:
        """How many of these to answer together: as many as are quick, unless all of them bring much more. What longer batches bring is not
        known where examples differ in size."""
        num_bytes = sum([work.num_bytes for work in batch])
        whole = self._cost(len(batch), num_bytes)
        if whole < QUICK or len(batch) <= 1 or not self._forward.is_fixed:
            return len(batch)
        for size in range(len(batch) - 1, 0, -1):
            num_bytes -= batch[size].num_bytes
            if (cost := self._cost(size, num_bytes)) < QUICK:
                return size if cost / size < WORTH * whole / len(batch) else len(batch)
        return len(batch)

    def _cost(self, num_examples: int, num_bytes: int) -> float:
        """Seconds that a batch will probably take, decoding included."""
        return self.capacity.cost(num_examples) + self._rate * num_bytes

    def _work(self) -> None:
        while (task := self._batches.get()) is not None:
            batch, loop = task
            ran = self._forward([work.read for work in batch])
            self._worker_is_done.set()
            with suppress(RuntimeError):  # the loop is closed: the server was told to stop at once
                loop.call_soon_threadsafe(self._deliver, batch, ran, loop)

    def _deliver(self, batch: Sequence[Work], ran: Ran, loop: asyncio.AbstractEventLoop) -> None:
        self._learn_rate(ran, sum(work.num_bytes for work in batch))
        if self.capacity.cost(1) >= QUICK or not self.capacity.is_settled:  # below it the start has mostly measured everything
            self.capacity = self.capacity.learned(len(batch), ran.model_seconds)
        self._pace += PACE_SHARE * ((time.monotonic() - self._begun) / len(batch) - self._pace)
        self._observe(ran)
        for work, result in zip(batch, ran.results, strict=True):
            work.ticket.put(work.place, result)
        if self._queue:
            loop.call_soon(self._next, loop)
        else:
            self.is_busy = False

    def _learn_rate(self, ran: Ran, num_bytes: int) -> None:
        now = time.monotonic()
        # `capacity` was measured with examples of one size
        seconds = ran.decode_seconds + (0.0 if self._forward.is_fixed else ran.model_seconds)
        self._rate = max(self._rate * FORGET ** (now - self._rated), seconds / max(1, num_bytes))
        self._rated = now
