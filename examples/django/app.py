"""A Django site that serves a directory as a ZIP: `make example-django ROOT=some/directory`.

`gunicorn --worker-class gthread app:wsgi` and `uvicorn app:asgi` serve it too.
"""

import os
import sys

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

import bigzip
from bigzip.contrib.django import ZipResponse

ROOT = os.path.abspath(os.environ.get("ROOT", "."))

settings.configure(ALLOWED_HOSTS=["localhost", "127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="only for this example")


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse('<a href="all.zip">Download all</a>')


def download(request: HttpRequest) -> ZipResponse:
    archive = bigzip.Archive(f"{os.path.basename(ROOT)}.zip", root=ROOT)
    archive.add(".", os.path.basename(ROOT))
    return ZipResponse(request, archive)


urlpatterns = [path("", index), path("all.zip", download)]
django.setup()
wsgi, asgi = get_wsgi_application(), get_asgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
