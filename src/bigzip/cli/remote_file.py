"""An archive behind a URL, read by ranges: what `bigzip verify URL` looks at."""

import http.client
import io
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from bigzip.verification import CouldNotVerify

SCHEMES: Final = ("http://", "https://")
_TIMEOUT_SECONDS: Final = 60
_PARTIAL_CONTENT: Final = 206


class RemoteFile:
    """As much of a binary file as the checker needs. It stays one representation: every range is asked for under the
    entity tag that the first one came with.
    """

    def __init__(self, url: str) -> None:
        """Look at what is behind `url`.

        Raises:
            CouldNotVerify: there is nothing, or it cannot be read by ranges.
        """
        self._url = url
        self._etag: str | None = None
        self._position = 0
        response, _ = self._get("bytes=0-0")
        self._etag = response.headers.get("ETag")
        if self._etag is None or self._etag.startswith("W/"):
            raise CouldNotVerify("the server gives no strong ETag, so ranges might be of different files")
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
        if not size.isdecimal():
            raise CouldNotVerify("the server does not say how long the file is")
        self._size = int(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to `offset` from the start or, where `whence` is SEEK_END, from the end."""
        self._position = offset + (self._size if whence == io.SEEK_END else 0)
        return self._position

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none only at the end.

        Raises:
            CouldNotVerify: they cannot be had, or the file is another one by now.
        """
        stop = min(self._position + size, self._size)
        if stop <= self._position:
            return b""
        _, data = self._get(f"bytes={self._position}-{stop - 1}")
        self._position += len(data)
        return data

    def _get(self, byte_range: str) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Range": byte_range, "Accept-Encoding": "identity"}
        if self._etag is not None:
            headers["If-Range"] = self._etag
        request = Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - the scheme was checked
                if response.status != _PARTIAL_CONTENT:
                    raise CouldNotVerify("the server sends no ranges, or the file has changed")
                return response, response.read()
        except HTTPError as error:
            raise CouldNotVerify(f"the server answers {error.code} {error.reason}") from error
        except (URLError, http.client.HTTPException, OSError) as error:
            raise CouldNotVerify(f"the server cannot be read: {getattr(error, 'reason', error)}") from error
