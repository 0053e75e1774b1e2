"""Archives as responses of Django, by WSGI and by ASGI."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, StreamingHttpResponse

from bigzip.archive import Archive
from bigzip.contrib import wsgi
from bigzip.contrib.http import reply
from bigzip.contrib.transfer import Transfer, filename_of, planned
from bigzip.planned import Plan


class ZipResponse(StreamingHttpResponse):
    """An archive as a response: exact length, ranges, preconditions, HEAD, and an abort that looks like one.

    Args:
        request: what is answered.
        archive: planned at once, if it is not: as `bigzip.contrib.transfer.planned` does, and with its errors. That may
            block; asynchronous views should give `await archive.aplan()`.
        filename: the name that the client is told to save it under, by default the archive's.
        on_abort: called when the archive failed on its way: whoever keeps the plan should forget it.
    """

    def __init__(
        self,
        request: HttpRequest,
        archive: Archive | Plan,
        filename: str | None = None,
        *,
        on_abort: Callable[[], None] | None = None,
    ) -> None:
        method = request.method or "GET"
        scope = getattr(request, "scope", None)  # of ASGI
        plan = planned(archive, method)
        answered = reply(
            plan,
            filename_of(archive, filename),
            method=method,
            headers={name.lower(): value for name, value in request.headers.items()},
            http_version=wsgi.http_version(request.META) if scope is None else scope["http_version"],
        )
        fields = dict(answered.headers)
        if scope is None:
            transfer = Transfer(answered, request.path, on_abort=on_abort, reset=partial(wsgi.reset, request.META))
            super().__init__(transfer.chunks(plan.iter_bytes), status=int(answered.status), headers=fields)
        else:  # an iterator that is not asynchronous would be read to its end before the first byte is sent
            transfer = Transfer(answered, request.path, on_abort=on_abort)
            super().__init__(transfer.achunks(plan.aiter_bytes), status=int(answered.status), headers=fields)
        if "content-type" not in fields:  # Django has a default for it, which is not that of what was not modified
            del self.headers["content-type"]

    def has_header(self, header: str) -> bool:
        """Whether there is such a header, and True for Content-Encoding: so `GZipMiddleware` leaves archives alone.

        It would take their length and ranges away.
        """
        return header.lower() == "content-encoding" or super().has_header(header)

    __contains__ = has_header
