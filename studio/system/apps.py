from importlib import import_module

from django.apps import AppConfig


class SystemConfig(AppConfig):
    name = "studio.system"
    label = "system"

    def ready(self) -> None:
        """Put the problems into the catalogue."""
        import_module("studio.system.problems")
        # The client stands alone: no other part of the studio would bring those that it tells of.
        import_module("studio.core.client_problems")
