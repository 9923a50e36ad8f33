"""The app of what the API itself keeps."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Answers kept under the key that a request came with."""

    name = "studio.api"
    label = "api"
