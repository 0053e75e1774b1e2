"""Django in this process, with a database and files in directories of its own."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def django_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the files that Django has; the table of `Photo` is there, and empty."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    directory = tmp_path_factory.mktemp("django")
    media = directory / "media"
    media.mkdir()
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "site.sqlite")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        FILE_UPLOAD_TEMP_DIR=str(directory),
        INSTALLED_APPS=["bigzip.contrib.django", "tests.contrib.gallery"],
        MEDIA_ROOT=str(media),
        SECRET_KEY="only for tests",
        STORAGES={
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "memory": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        },
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    return media
