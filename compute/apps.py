from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"

    def ready(self) -> None:
        from compute import problems, topics  # noqa: F401 - registers once models are there

        topics.register()
