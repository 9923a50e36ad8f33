from django.apps import AppConfig


class FrameConfig(AppConfig):
    name = "studio.frame"
    label = "frame"
