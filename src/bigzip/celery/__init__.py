"""Jobs by Celery: for those who run it already, and for workers on many machines (`pip install 'bigzip[celery]'`).

`bigzip worker --celery` is a worker that is set up as it should be. A Celery application of one's own takes part by
importing this module, as in `app = Celery(..., include=["bigzip.celery"])`. What the tasks need to know they read from
BIGZIP_ variables (BIGZIP_DATABASE, BIGZIP_JOBS__PLACE, ...) and from the TOML file that `app.conf.bigzip_config` names.
"""

from bigzip.celery.tasks import generate_large_zip, reap, work
from bigzip.jobs.celery import BELLS, make_app, ring

__all__ = ["BELLS", "generate_large_zip", "make_app", "reap", "ring", "work"]
