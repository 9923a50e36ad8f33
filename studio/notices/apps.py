from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "studio.notices"
    label = "notices"

    def ready(self) -> None:
        from studio.notices import topics

        topics.register()
