from django.apps import AppConfig
from django.conf import settings


class AssetsConfig(AppConfig):
    name = "studio.assets"
    label = "assets"

    def ready(self) -> None:
        from studio.accounts.access import workspace_for
        from studio.assets import audited, lists, problems  # noqa: F401 - registers once models are there
        from studio.assets.registry import lists as list_of_models  # noqa: F401
        from studio.assets.registry import problems as of_models  # noqa: F401
        from studio.core.bodies import register_bodies
        from studio.live.topics import register_topic

        def watch_models(user: object, workspace: str) -> None:
            workspace_for(user, workspace)

        audited.register()
        register_topic("models", watch_models)
        register_bodies(r"^/api/v1/workspaces/[^/]+/blobs/", lambda: settings.LARGEST_UPLOAD)
