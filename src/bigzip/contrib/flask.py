"""Archives as responses of Flask."""

from collections.abc import Callable
from functools import partial

from flask import Request, Response

from bigzip.archive import Archive
from bigzip.contrib import wsgi
from bigzip.contrib.http import reply
from bigzip.contrib.transfer import SyncDownloadable, Transfer, filename_of, planned


class ZipResponse(Response):
    """An archive as a response: exact length, ranges, preconditions, HEAD, and an abort that looks like one.

    Args:
        request: what is answered: `flask.request`.
        archive: planned at once, if it is not: as `bigzip.contrib.transfer.planned` does, and with its errors.
        filename: the name that the client is told to save it under, by default the archive's.
        on_abort: called when the archive failed on its way: whoever keeps the plan should forget it.
    """

    def __init__(
        self,
        request: Request,
        archive: Archive | SyncDownloadable,
        filename: str | None = None,
        *,
        on_abort: Callable[[], None] | None = None,
    ) -> None:
        environ = request.environ
        plan = planned(archive, request.method)
        answered = reply(
            plan,
            filename_of(archive, filename),
            method=request.method,
            headers=wsgi.request_headers(environ),
            http_version=wsgi.http_version(environ),
        )
        transfer = Transfer(answered, request.path, on_abort=on_abort, reset=partial(wsgi.reset, environ))
        super().__init__(
            transfer.chunks(plan.iter_bytes),
            status=int(answered.status),
            headers=answered.headers,
            direct_passthrough=True,  # not looked at by anyone on its way to the server
        )
