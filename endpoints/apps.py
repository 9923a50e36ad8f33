from django.apps import AppConfig


class EndpointsConfig(AppConfig):
    name = "endpoints"

    def ready(self) -> None:
        from endpoints import audited, problems, tables, wiring  # noqa: F401 - registers once models are there

        wiring.connect()
        audited.register()
