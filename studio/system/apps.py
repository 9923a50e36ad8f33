from django.apps import AppConfig


class SystemConfig(AppConfig):
    name = "studio.system"
    label = "system"
