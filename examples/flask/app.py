"""A Flask application that serves a directory as a ZIP: `make example-flask ROOT=some/directory`.

`gunicorn --worker-class gthread app:app` serves it too.
"""

import os

from flask import Flask, Response, request

import bigzip
from bigzip.contrib.flask import ZipResponse

ROOT = os.path.abspath(os.environ.get("ROOT", "."))

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return '<a href="all.zip">Download all</a>'


@app.get("/all.zip")
def download() -> Response:
    archive = bigzip.Archive(f"{os.path.basename(ROOT)}.zip", root=ROOT)
    archive.add(".", os.path.basename(ROOT))
    return ZipResponse(request, archive)
