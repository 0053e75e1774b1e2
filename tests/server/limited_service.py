"""Runs the service with limits: limited_service.py ROOT SURVEY_LIMIT LOOP LIMITS PORT.

LOOP: "auto" for the event loop that uvicorn takes, "asyncio" for the standard library's even where uvloop is
installed. LIMITS: those of `Limits`, in JSON. PORT: 0 takes a free one. Prints the address as `bigzip serve` does.
"""

import json
import os
import sys

if sys.argv[3] == "asyncio":
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # importing it fails from now on

from bigzip.server.limits import Limits
from bigzip.server.run import bind, serve
from bigzip.server.settings import Settings


def main() -> None:
    _, root, survey_limit, _, limits, port = sys.argv
    settings = Settings(
        root=os.path.realpath(root), survey_limit=int(survey_limit), limits=Limits(**json.loads(limits))
    )
    listener = bind("127.0.0.1", int(port))
    print(f"at http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    serve(settings, listener)


if __name__ == "__main__":
    main()
