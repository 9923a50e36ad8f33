from django.apps import AppConfig


class ComputeConfig(AppConfig):
    name = "compute"

    def ready(self) -> None:
        from compute import audited, problems, tables, topics  # noqa: F401 - registers once models are there
        from compute.extension import problems as extension_problems  # noqa: F401
        from compute.findings import SOURCES
        from compute.network import problems as network_problems  # noqa: F401
        from compute.network.selectors import findings

        topics.register()
        audited.register()
        SOURCES["network"] = findings
