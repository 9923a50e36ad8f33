"""Addresses of clusters and computes."""

from django.urls import path

from compute.extension import views as extension
from compute.network import views as network
from compute.views import attach, browse, clusters, computes, instance_types

app_name = "compute"

_CLUSTER = "ops/clusters/<slug:name>/"
_EXTENSION = _CLUSTER + "extension/"
_NETWORK = _CLUSTER + "network/"
_TYPES = _CLUSTER + "instance-types/"
_COMPUTES = _CLUSTER + "computes/"

urlpatterns = [
    path("ops/clusters/", clusters.cluster_list, name="cluster-list"),
    path("ops/clusters/attach/", attach.attach, name="cluster-attach"),
    path("ops/clusters/manifest/", attach.manifest, name="manifest"),
    path(_CLUSTER, clusters.overview, name="cluster"),
    path(_CLUSTER + "line/", clusters.line, name="cluster-line"),
    path(_CLUSTER + "nodes/", clusters.nodes, name="cluster-nodes"),
    path(_CLUSTER + "connection/", clusters.connection, name="cluster-connection"),
    path(_CLUSTER + "connection/credentials/", attach.credentials, name="cluster-credentials"),
    path(_CLUSTER + "events/", clusters.events, name="cluster-events"),
    path(_CLUSTER + "audit/", clusters.audit, name="cluster-audit"),
    path(_CLUSTER + "edit/", clusters.edit, name="cluster-edit"),
    path(_CLUSTER + "probe/", clusters.probe, name="cluster-probe"),
    path(_CLUSTER + "detach/", clusters.detach, name="cluster-detach"),
    path(_EXTENSION, extension.extension, name="extension"),
    path(_EXTENSION + "remove/", extension.remove, name="extension-remove"),
    path(_EXTENSION + "revisions/<int:number>/", extension.revision, name="extension-revision"),
    path(_EXTENSION + "revisions/<int:number>/rollback/", extension.rollback, name="extension-rollback"),
    path(_NETWORK, network.network, name="network"),
    path(_NETWORK + "certificate/", network.certificate, name="network-certificate"),
    path(_NETWORK + "certificate/put-back/", network.put_back, name="network-put-back"),
    path(_NETWORK + "certificate/remove/", network.remove, name="network-remove"),
    path(_NETWORK + "way-out/", network.way, name="network-way-out"),
    path(_NETWORK + "check/", network.check, name="network-check"),
    path(_TYPES, instance_types.type_list, name="type-list"),
    path(_TYPES + "new/", instance_types.create, name="type-new"),
    path(_TYPES + "default/", instance_types.default, name="type-default"),
    path(_TYPES + "<str:type>/edit/", instance_types.edit, name="type-edit"),
    path(_TYPES + "<str:type>/delete/", instance_types.delete, name="type-delete"),
    path(_COMPUTES, computes.compute_list, name="compute-list"),
    path(_COMPUTES + "attach/", computes.attach, name="compute-attach"),
    path(_COMPUTES + "<slug:space>/<slug:compute>/", computes.change, name="compute-change"),
    path(_COMPUTES + "<slug:space>/<slug:compute>/detach/", computes.detach, name="compute-detach"),
    path("w/<slug:workspace>/computes/", browse.browse, name="browse"),
]
