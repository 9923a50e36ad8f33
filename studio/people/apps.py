from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "studio.people"
    label = "people"

    def ready(self) -> None:
        from studio.people import audited, lists  # noqa: F401 - registers once models are there

        audited.register()
