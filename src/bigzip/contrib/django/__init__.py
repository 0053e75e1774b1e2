"""Archives as responses of Django, and Django's files as sources; in INSTALLED_APPS, a command that builds archives."""

from bigzip.contrib.django.response import ZipResponse

__all__ = ["ZipResponse"]
