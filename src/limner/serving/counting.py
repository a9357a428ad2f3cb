"""What `/metrics` says, in the text format of Prometheus.

Layer: serving. The only importer of prometheus_client.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

TEXT = CONTENT_TYPE_LATEST
"""Content type of the text."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Counting:
    """Counts what one server does."""

    def __init__(self) -> None:
        # One of its own, since a program may run several servers.
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "limner_requests_total", "Requests answered.", ["path", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "limner_request_seconds", "From a request's head to its answer's end.", ["path"],
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._pictures = Counter("limner_pictures_total", "Pictures predicted.", ["model"], registry=self._registry)
        self._batches = Histogram(
            "limner_batch_pictures", "Pictures predicted together.", ["model"], buckets=_SIZES, registry=self._registry
        )
        self._predicting = Histogram(
            "limner_batch_seconds", "Seconds that a batch took.", ["model"], buckets=_SECONDS, registry=self._registry
        )
        self._loads = Counter(
            "limner_model_loads_total", "Times a model was loaded.", ["model"], registry=self._registry
        )
        self._failures = Counter(
            "limner_model_load_failures_total", "Changed models that could not be loaded.", ["model"],
            registry=self._registry,
        )  # fmt: skip
        self._cancelled = Counter(
            "limner_cancelled_total", "Requests whose client went away or whose time was up.", registry=self._registry
        )
        self._saved = Counter("limner_saved_total", "Pairs of picture and mask saved.", registry=self._registry)

    def watch(self, under_way: Callable[[], float], waiting: Callable[[], float]) -> None:
        """Also tell how many requests are under way, and how many pictures wait."""
        Gauge(
            "limner_requests_under_way", "Requests accepted and not yet answered.", registry=self._registry
        ).set_function(under_way)
        Gauge("limner_pictures_waiting", "Pictures that wait to be predicted.", registry=self._registry).set_function(
            waiting
        )

    def request(self, path: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(path, method, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, model: str, count: int, seconds: float) -> None:
        """Pictures were predicted together."""
        self._pictures.labels(model).inc(count)
        self._batches.labels(model).observe(count)
        self._predicting.labels(model).observe(seconds)

    def loaded(self, model: str) -> None:
        """A model was loaded."""
        self._loads.labels(model).inc()

    def not_loaded(self, model: str) -> None:
        """A model that has changed could not be."""
        self._failures.labels(model).inc()

    def cancelled(self) -> None:
        """Nobody waits for a request any more."""
        self._cancelled.inc()

    def saved(self) -> None:
        """A pair was saved."""
        self._saved.inc()

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
