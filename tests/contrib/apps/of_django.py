"""`gunicorn tests.contrib.apps.of_django:wsgi`, `uvicorn tests.contrib.apps.of_django:asgi`, or Django's commands.

With the middleware that could get in an archive's way.
"""

import sys

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from bigzip.contrib.django import ZipResponse
from bigzip.testing import served

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    WSGI_APPLICATION=f"{__name__}.wsgi",
)


def state(_: HttpRequest) -> HttpResponse:
    return HttpResponse(served.state())


def download(request: HttpRequest, name: str) -> HttpResponseBase:
    return ZipResponse(request, served.archive(name), served.FILENAME)


urlpatterns = [path("state", state), path("<name>", download)]
django.setup()
wsgi, asgi = WSGIHandler(), ASGIHandler()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
