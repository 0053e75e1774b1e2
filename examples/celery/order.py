"""Have an archive built: `python order.py ID PATH ...`. Given twice, an ID makes no second job."""

import os
import sys

import tasks  # noqa: F401  # the application that is called

from bigzip.celery import generate_large_zip

job_id, *paths = sys.argv[1:]
generate_large_zip.delay([os.path.abspath(path) for path in paths], job_id=job_id, name=f"{job_id}.zip")
