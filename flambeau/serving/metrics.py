"""Prometheus metrics. Every label has a closed set of values: no request can make a new series."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from flambeau.serving.forward import Ran

MEDIA = b"text/plain; version=0.0.4; charset=utf-8"
UNKNOWN_ROUTE = "unknown"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The counters of one application."""

    def __init__(self, num_waiting: Callable[[], int], held_bytes: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter("flambeau_requests", "Answered requests", ["route", "status"], registry=self._registry)
        self._seconds = Histogram("flambeau_request_seconds", "From headers to answer", ["route"], buckets=_SECONDS, registry=self._registry)
        self._batch = Histogram("flambeau_batch_examples", "Examples answered together", buckets=(1, 2, 4, 8, 16, 32), registry=self._registry)
        self._decode = Counter("flambeau_decode_seconds", "Time spent on reading raw values", registry=self._registry)
        self._model = Counter("flambeau_model_seconds", "Time spent in the model", registry=self._registry)
        Gauge("flambeau_queue_examples", "Examples that wait for the model", registry=self._registry).set_function(num_waiting)
        Gauge("flambeau_held_bytes", "Request bodies in memory", registry=self._registry).set_function(held_bytes)
        self._series: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is one of the table's paths or "unknown"."""
        series = self._series.get((route, status))
        if series is None:
            series = self._series[route, status] = (self._requests.labels(route, status), self._seconds.labels(route))
        series[0].inc()
        series[1].observe(seconds)

    def batch(self, ran: Ran) -> None:
        """Count one batch that has run."""
        self._batch.observe(len(ran.results))
        self._decode.inc(ran.decode_seconds)
        self._model.inc(ran.model_seconds)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
