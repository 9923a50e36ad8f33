from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from jobs import audited, problems, wiring  # noqa: F401 - registers once models are there

        wiring.connect()
        audited.register()
