from django.apps import AppConfig


class AuditPagesConfig(AppConfig):
    name = "studio.audit.pages"
    label = "audit_pages"

    def ready(self) -> None:
        from studio.audit.pages import lists, topics  # noqa: F401 - registers its lists

        topics.register()
