"""Every address of the studio."""

from django.conf import settings
from django.urls import include, path

from endpoints import runner_api as deployments_runner_api
from jobs import runner_api
from studio.api.pages import reference
from studio.api.root import api
from studio.console.rows import console
from studio.core import health
from studio.frame import documentation
from studio.frame.design import design
from studio.live.sse import stream

urlpatterns = [
    path("", include("studio.frame.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("live/", stream, name="live"),
    path("", include("studio.people.urls")),
    path("accounts/", include("studio.signin.urls")),
    path("admin/", console.urls),
    path("api/v1/", api.urls),
    path("help/api/", reference, name="api-reference"),
    path("docs/", documentation.page, name="documentation"),
    path("docs/<path:page>", documentation.page, name="documentation-page"),
    path("", include("studio.audit.pages.urls")),
    path("", include("studio.system.urls")),
    path("", include("studio.notices.urls")),
    path("", include("studio.saved.urls")),
    path("", include("studio.assets.urls")),
    path("", include("compute.urls")),
    path("", include("jobs.urls")),
    path("", include("endpoints.urls")),
    path("", include(runner_api.urlpatterns)),
    path("", include(deployments_runner_api.urlpatterns)),
]

if settings.DEBUG:
    urlpatterns += [path("ops/design/", design, name="design")]

handler400 = "studio.core.pages.unreadable"
handler429 = "studio.signin.limits.too_often"
handler404 = "studio.core.pages.not_found"
handler500 = "studio.core.pages.broken"
handler403 = "studio.core.pages.forbidden"
