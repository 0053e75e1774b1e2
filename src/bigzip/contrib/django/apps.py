"""The application that INSTALLED_APPS names as `bigzip.contrib.django`."""

from django.apps import AppConfig


class BigzipConfig(AppConfig):
    """The command `createzip`, and no models."""

    name = "bigzip.contrib.django"
    label = "bigzip"
