"""Runs the service with a survey limit: limited_service.py ROOT SURVEY_LIMIT LOOP.

LOOP: "auto" for the event loop that uvicorn takes, "asyncio" for the standard library's even where uvloop is
installed. Prints the address as `bigzip serve` does.
"""

import os
import sys

if sys.argv[3] == "asyncio":
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # importing it fails from now on

from bigzip.server.run import bind, serve
from bigzip.server.settings import Settings


def main() -> None:
    listener = bind("127.0.0.1", 0)
    print(f"at http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    serve(Settings(root=os.path.realpath(sys.argv[1]), survey_limit=int(sys.argv[2])), listener)


if __name__ == "__main__":
    main()
