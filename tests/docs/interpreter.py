"""Runs the Python of a page: a block a line of standard input, as JSON; a line for each, empty or what was raised.

Needs nothing but the standard library, so that it runs wherever bigzip is installed.
"""

import json
import sys
import traceback
from typing import Any

names: dict[str, Any] = {"__name__": "__main__"}
answers, sys.stdout = sys.stdout, sys.stderr
sys.path.insert(0, "")
for line in sys.stdin:
    block = json.loads(line)
    try:
        exec(compile("\n" * block["line"] + block["text"], block["page"], "exec"), names)
        answer = ""
    except BaseException:
        answer = traceback.format_exc()
    print(json.dumps(answer), file=answers, flush=True)
