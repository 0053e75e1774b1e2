from django.core.files.storage import InMemoryStorage
from django.db import models

in_memory = InMemoryStorage()


class Photo(models.Model):
    album: "models.IntegerField[int, int]" = models.IntegerField()
    image = models.FileField(upload_to="photos", blank=True)
    sketch = models.FileField(upload_to="sketches", blank=True, storage=in_memory)
