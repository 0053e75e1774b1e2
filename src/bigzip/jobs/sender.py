"""Sends what is in the outbox to webhooks, until it is told to stop; whatever receivers do, nobody else is held up."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import httpcore
from sqlalchemy.exc import SQLAlchemyError

from bigzip.errors import BigZipError, SourceMissing
from bigzip.jobs.outbox import Delivery, EventState, Outbox, Step
from bigzip.jobs.records import Job
from bigzip.jobs.webhooks import WebhookSettings
from bigzip.sources.deadline import DeadlineBackend
from bigzip.sources.guarded import GuardedBackend
from bigzip.sources.url import Url, parse_url

_log = logging.getLogger("bigzip")
_IDLE_SECONDS: Final = 1.0
_LEASES: Final = 3
"""So many timeouts are a lease: looking up a name is bounded by none of them."""
_ANSWER_BYTES: Final = 4_096
"""That are read of an answer, so that a receiver may end it in an orderly way."""
_END_SECONDS: Final = 5.0
"""For what is under way when the sender is stopped; what is not done by then is sent again by another."""
_FORGET_EACH_SECONDS: Final = 3_600.0
_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    OSError,
)


class Sender:
    """A sender; as a context, it sends in threads of its own.

    Args:
        outbox: what is sent.
        settings: where to, and signed with what.
        document: what is said of a job in an event's `data`.
        threads: how many events are sent at a time.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: WebhookSettings,
        document: Callable[[Job], Mapping[str, Any]],
        *,
        threads: int = 1,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._document = document
        self._count = threads
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._forgotten = time.monotonic() - _FORGET_EACH_SECONDS

    def __enter__(self) -> Self:
        if self._settings.keys:  # without, there is nothing that could be sent
            self._threads = [
                threading.Thread(target=self._run, name=f"bigzip webhooks {number}", daemon=True)
                for number in range(self._count)
            ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        ending = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, ending - time.monotonic()))

    def send_next(self) -> bool:
        """Send the next event that is due; whether there was one."""
        began = time.monotonic()
        delivery = self._outbox.claim(_LEASES * self._settings.timeout_seconds)
        if delivery is None:
            return False
        status, problem = self._attempt(delivery, began + self._settings.timeout_seconds)
        step = self._outbox.settle(delivery, status)
        if step is not None:
            _tell(delivery, problem, step)
        return True

    def send_due(self) -> None:
        """Send all that is due now; what fails is due later."""
        while self._settings.keys and self.send_next():
            pass

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._forget_old()
                has_sent = self.send_next()
            except SQLAlchemyError as error:
                _log.warning("webhooks: the database does not answer (%s)", type(error).__name__)
                has_sent = False
            except Exception:
                _log.exception("webhooks")
                has_sent = False
            if not has_sent:
                self._stopping.wait(_IDLE_SECONDS)

    def _forget_old(self) -> None:
        present = time.monotonic()
        if present - self._forgotten >= _FORGET_EACH_SECONDS:
            self._forgotten = present
            self._outbox.forget_old()

    def _attempt(self, delivery: Delivery, deadline: float) -> tuple[int | None, str]:
        """The status of the answer, if there was one; and what is said of it in the log.

        Which is never the URL: it is as good as a password with some receivers.
        """
        try:
            status = self._post(delivery, deadline)
        except SourceMissing:
            return None, "its name leads nowhere, or to an address outside jobs.webhooks.networks"
        except BigZipError as error:
            return None, str(error)
        except _FAILURES as error:
            return None, type(error).__name__
        except Exception:
            _log.exception("webhook of job %s", delivery.job_id)
            return None, "an error of bigzip's own"
        return status, f"status {status}"

    def _post(self, delivery: Delivery, deadline: float) -> int:
        settings = self._settings
        url = parse_url(settings.checked(delivery.url))
        settings.guard.check_host(url.host, url.port)
        body = json.dumps(
            {"type": delivery.type, "timestamp": delivery.timestamp, "data": self._document(delivery.job)},
            separators=(",", ":"),
        )
        backend = DeadlineBackend(GuardedBackend(settings.guard), deadline)
        with (
            httpcore.ConnectionPool(ssl_context=settings.tls, network_backend=backend) as pool,
            pool.stream(
                "POST",
                str(url),
                headers=_headers(url, settings.headers(delivery.id, delivery.now, body)),
                content=body.encode("ascii"),
            ) as response,
        ):
            with suppress(*_FAILURES):  # the status is the answer, whatever becomes of the rest
                _read_some(response)
            return response.status


def _headers(url: Url, signed: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    own = {"host": url.origin.partition("://")[2], "content-type": "application/json", "user-agent": "bigzip"}
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in (own | dict(signed)).items()]


def _read_some(response: httpcore.Response) -> None:
    size = 0
    for chunk in response.iter_stream():
        size += len(chunk)
        if size >= _ANSWER_BYTES:
            return


def _tell(delivery: Delivery, problem: str, step: Step) -> None:
    origin = parse_url(delivery.url).origin
    match step.state:
        case EventState.DELIVERED:
            _log.info("webhook of job %s: %s was told to %s", delivery.job_id, delivery.type, origin)
        case EventState.WAITING:
            _log.warning(
                "webhook of job %s: %s: %s; again in %.0f s", delivery.job_id, origin, problem, step.delay_seconds
            )
        case EventState.GIVEN_UP:
            _log.warning("webhook of job %s: %s: %s; given up", delivery.job_id, origin, problem)
