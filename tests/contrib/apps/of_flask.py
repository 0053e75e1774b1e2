"""`gunicorn tests.contrib.apps.of_flask:app`."""

from flask import Flask, Response, request

from bigzip.contrib.flask import ZipResponse
from bigzip.testing import served

app = Flask(__name__)


@app.get("/state")
def state() -> str:
    return served.state()


@app.route("/<name>", methods=["GET", "POST"])
def download(name: str) -> Response:
    return ZipResponse(request, served.archive(name), served.FILENAME)
