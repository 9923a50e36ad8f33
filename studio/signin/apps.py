from django.apps import AppConfig


class SigninConfig(AppConfig):
    name = "studio.signin"
    label = "signin"

    def ready(self) -> None:
        from studio.signin import problems, trail  # noqa: F401
