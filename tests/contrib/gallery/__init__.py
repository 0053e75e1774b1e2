"""A Django application with files."""
