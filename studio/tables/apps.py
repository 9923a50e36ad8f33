from django.apps import AppConfig


class TablesConfig(AppConfig):
    name = "studio.tables"
    label = "tables"

    def ready(self) -> None:
        from studio.tables import problems  # noqa: F401 - registers its problems
