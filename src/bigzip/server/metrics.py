"""What is measured of one running service, for Prometheus; docs/operations.md says what each figure means."""

from collections.abc import Iterator, Mapping
from http import HTTPMethod
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bigzip.jobs.states import JobState
from bigzip.progress import Progress, ProgressCallback
from bigzip.server.streams import Streams

# To the head of a response: a survey of 64 MiB from a slow disk takes seconds. The whole of a download takes hours.
_START_SECONDS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SECONDS: Final = (0.01, 0.1, 1, 10, 60, 600, 3600, 21600)
_METHODS: Final = frozenset(HTTPMethod)


class Metrics:
    """The figures of one service, in a registry of their own. Safe to count in from any thread."""

    def __init__(self, streams: Streams) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        registry.register(_StreamsCollector(streams))
        self.sent_bytes = Counter("bigzip_sent_bytes", "Bytes of response bodies.", registry=registry)
        self._downloads = Counter("bigzip_downloads", "Downloads that ended, by how.", ["reason"], registry=registry)
        self._responses = Counter("bigzip_responses", "Responses.", ["route", "method", "status"], registry=registry)
        self._start_seconds = Histogram(
            "bigzip_response_start_seconds",
            "From a request's head to its response's head.",
            ["route"],
            buckets=_START_SECONDS,
            registry=registry,
        )
        self._seconds = Histogram(
            "bigzip_response_seconds",
            "From a request's head to its response's end.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        plans = Counter("bigzip_plans", "Plans that requests were answered with.", ["origin"], registry=registry)
        self.plans_made = plans.labels("made")
        self.plans_reused = plans.labels("reused")
        self._survey_bytes = Counter(
            "bigzip_survey_bytes", "Bytes of data read before archives were begun.", registry=registry
        )
        index = Counter("bigzip_index_lookups", "Files that the index was asked about.", ["result"], registry=registry)
        self._jobs = Gauge("bigzip_jobs", "Jobs in the database, by their state.", ["state"], registry=registry)
        self._index_hits = index.labels("hit")
        self._index_misses = index.labels("miss")

    def ended(self, reason: str) -> None:
        """Count a download that ended."""
        self._downloads.labels(reason).inc()

    def responded(self, route: str, method: str, status: int, *, start_seconds: float, seconds: float) -> None:
        """Count a response; `route` is the pattern of its path, and "" for a path that leads nowhere."""
        self._responses.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._start_seconds.labels(route).observe(start_seconds)
        self._seconds.labels(route).observe(seconds)

    def surveying(self) -> ProgressCallback:
        """Counts what one survey reads, as its progress."""
        counted = 0

        def count(progress: Progress) -> None:
            nonlocal counted
            self._survey_bytes.inc(progress.bytes_done - counted)
            counted = progress.bytes_done

        return count

    def looked_up(self, hits: int, misses: int) -> None:
        """Count what the index was asked."""
        self._index_hits.inc(hits)
        self._index_misses.inc(misses)

    def have_jobs(self, counts: Mapping[JobState, int]) -> None:
        """Note how many jobs there are in each state."""
        for state, count in counts.items():
            self._jobs.labels(state).set(count)

    def text(self) -> bytes:
        """All figures as they are now, in Prometheus's text format."""
        return generate_latest(self._registry)


class _StreamsCollector(Collector):
    """What `Streams` counts anyway."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        streams = self._streams
        running = GaugeMetricFamily("bigzip_streams_running", "Downloads under way.", labels=["kind"])
        running.add_metric(["stored"], streams.running - streams.deflating)
        running.add_metric(["deflating"], streams.deflating)
        yield running
        refused = CounterMetricFamily(
            "bigzip_streams_refused", "Downloads that were one too many, by the limit.", labels=["limit"]
        )
        for limit, count in sorted(streams.refused.items()):
            refused.add_metric([limit], count)
        yield refused
