from importlib import import_module

from django.apps import AppConfig


class SystemConfig(AppConfig):
    name = "studio.system"
    label = "system"

    def ready(self) -> None:
        """Put the problems into the catalogue."""
        import_module("studio.system.problems")
