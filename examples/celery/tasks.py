"""A Celery application as one has it already, which now has archives built, too."""

import os

from celery import Celery

app = Celery(
    "shop",
    broker=os.environ["BIGZIP_JOBS__BROKER"],
    include=["bigzip.celery"],  # brings bigzip.generate_large_zip, which makes a job and is over in a moment
)
app.conf.task_routes = {"bigzip.work": "bigzip", "bigzip.reap": "bigzip"}  # what takes long is left to bigzip's workers
