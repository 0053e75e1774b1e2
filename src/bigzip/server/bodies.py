"""Bodies of requests that are short, or are none of ours."""

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

_SHORT_BYTES: Final = 4_096
_SECONDS: Final = 10


async def short_body(request: Request, most_bytes: int = _SHORT_BYTES) -> bytes:
    """The body of a request, whole.

    Raises:
        HTTPException: 413 where it is long, 408 where it does not come.
    """
    body = b""
    try:
        async with asyncio.timeout(_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    detail = f"This takes {most_bytes:,} bytes at most."
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly.") from error
    return body
