"""Prometheus metrics. Every label has a closed set of values: no request can make a new series.

Counting happens on the hot road, so it is plain arithmetic; Prometheus' own library is loaded when somebody reads them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from flambeau.serving.forward import Ran

if TYPE_CHECKING:
    from prometheus_client.core import HistogramMetricFamily, Metric

MEDIA = b"text/plain; version=0.0.4; charset=utf-8"
UNKNOWN_ROUTE = "unknown"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32)


class Tally:
    """How often values fell below each bound."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def put(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Make it one series of `family`."""
        running, buckets = 0, []
        for bound, count in zip((*map(float, self._bounds), "+Inf"), self.counts, strict=True):
            running += count
            buckets.append((str(bound), running))
        family.add_metric(labels, buckets, self.total)


class Metrics:
    """The counters of one application."""

    def __init__(self, num_waiting: Callable[[], int], held_bytes: Callable[[], int]) -> None:
        self._num_waiting = num_waiting
        self._held_bytes = held_bytes
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, Tally] = {}
        self._batches = Tally(_SIZES)
        self._decode_seconds = self._model_seconds = 0.0

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is one of the table's paths or "unknown"."""
        self._requests[route, status] = self._requests.get((route, status), 0) + 1
        tally = self._seconds.get(route)
        if tally is None:
            tally = self._seconds[route] = Tally(_SECONDS)
        tally.add(seconds)

    def batch(self, ran: Ran) -> None:
        """Count one batch that has run."""
        self._batches.add(len(ran.results))
        self._decode_seconds += ran.decode_seconds
        self._model_seconds += ran.model_seconds

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks a collector."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("flambeau_requests", "Answered requests", labels=["route", "status"])
        for (route, status), count in self._requests.items():
            requests.add_metric([route, str(status)], count)
        seconds = HistogramMetricFamily("flambeau_request_seconds", "From headers to answer", labels=["route"])
        for route, tally in self._seconds.items():
            tally.put(seconds, [route])
        batches = HistogramMetricFamily("flambeau_batch_examples", "Examples answered together", labels=[])
        self._batches.put(batches, [])
        yield from (requests, seconds, batches)
        yield CounterMetricFamily("flambeau_decode_seconds", "Time spent on reading raw values", self._decode_seconds)
        yield CounterMetricFamily("flambeau_model_seconds", "Time spent in the model", self._model_seconds)
        yield GaugeMetricFamily("flambeau_queue_examples", "Examples that wait for the model", self._num_waiting())
        yield GaugeMetricFamily("flambeau_held_bytes", "Request bodies in memory", self._held_bytes())
