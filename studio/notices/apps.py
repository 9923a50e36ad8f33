from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "studio.notices"
    label = "notices"

    def ready(self) -> None:
        from studio.notices import lists, topics  # noqa: F401 - the list is known once models are there

        topics.register()
