"""Archives as responses of Django, and Django's files as sources; in INSTALLED_APPS, a command that builds archives."""

from bigzip.contrib.django.files import StorageSource, connections_to, source_of, stored
from bigzip.contrib.django.response import ZipResponse

__all__ = ["StorageSource", "ZipResponse", "connections_to", "source_of", "stored"]
