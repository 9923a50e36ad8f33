"""What people and the studio do to clusters, computes and instance types; every way in ends here."""

from compute.services.clusters import (
    Attachable,
    Going,
    attach_cluster,
    detach_cluster,
    edit_cluster,
    look_before_attach,
    probe_again,
    read_contexts,
    replace_credentials,
    what_goes,
)
from compute.services.computes import (
    WORKLOADS,
    Workloads,
    attach_compute,
    change_compute,
    check_namespace_name,
    detach_compute,
    proposed_namespace,
    running_on,
    running_on_each,
    workspace_named,
)
from compute.services.instance_types import delete_instance_type, save_instance_type, set_default_instance_type

__all__ = [
    "WORKLOADS",
    "Attachable",
    "Going",
    "Workloads",
    "attach_cluster",
    "attach_compute",
    "change_compute",
    "check_namespace_name",
    "delete_instance_type",
    "detach_cluster",
    "detach_compute",
    "edit_cluster",
    "look_before_attach",
    "probe_again",
    "proposed_namespace",
    "read_contexts",
    "replace_credentials",
    "running_on",
    "running_on_each",
    "save_instance_type",
    "set_default_instance_type",
    "what_goes",
    "workspace_named",
]
