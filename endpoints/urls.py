"""Addresses of the pages on online endpoints."""

from django.urls import path

from endpoints.views import acting, consuming, creating, details, events, listing, logs, monitoring, revisions, trying

app_name = "endpoints"

_LIST = "w/<slug:workspace>/endpoints/"
_ONE = _LIST + "<slug:name>/"
_DEPLOYMENT = _ONE + "deployments/<slug:deployment>/"

urlpatterns = [
    path(_LIST, listing.endpoint_list, name="list"),
    path(_LIST + "-/new/", creating.new_endpoint, name="new"),
    path(_LIST + "-/name/", creating.check_name, name="check-name"),
    path(_ONE, details.detail, name="detail"),
    path(_ONE + "deployments/-/new/", creating.new_deployment, name="new-deployment"),
    path(_ONE + "test/", trying.test, name="test"),
    path(_ONE + "consume/", consuming.consume, name="consume"),
    path(_ONE + "consume/keys/", consuming.keys, name="keys"),
    path(_ONE + "consume/regenerate/", consuming.regenerate, name="regenerate"),
    path(_ONE + "consume/ca.pem", consuming.authority, name="authority"),
    path(_ONE + "monitoring/", monitoring.monitoring, name="monitoring"),
    path(_ONE + "monitoring/figures.json", monitoring.figures, name="figures"),
    path(_ONE + "logs/", logs.log, name="logs"),
    path(_ONE + "logs/<slug:deployment>/<str:pod>/<str:container>/bytes", logs.log_bytes, name="log-bytes"),
    path(_ONE + "logs/<slug:deployment>/<str:pod>/<str:container>/lines", logs.lines, name="log-lines"),
    path(_ONE + "logs/<slug:deployment>/<str:pod>/<str:container>/download", logs.download_log, name="log-download"),
    path(_ONE + "revisions/", revisions.revisions, name="revisions"),
    path(_ONE + "events/", events.events, name="events"),
    path(_ONE + "traffic/", acting.set_traffic, name="traffic"),
    path(_ONE + "delete/", acting.delete, name="delete"),
    path(_DEPLOYMENT + "scale/", acting.scale, name="scale"),
    path(_DEPLOYMENT + "roll-back/", acting.roll_back, name="roll-back"),
    path(_DEPLOYMENT + "roll-out/", acting.roll_out, name="roll-out"),
    path(_DEPLOYMENT + "retries/", acting.set_retry, name="set-retry"),
    path(_DEPLOYMENT + "delete/", acting.delete_deployment, name="delete-deployment"),
]
