"""What can go wrong with the extension of a cluster."""

from studio.core.problems import Problem, register

TEXT = "{text}"

register(
    Problem("extension-absent", "The extension is not installed", "The cluster {cluster} has no extension, and so no router.",
            "Install it on the cluster's page, tab Extension (`mooring extension install`).", 409),
    Problem("extension-no-inference", "The extension is installed without inference",
            "The cluster {cluster} takes no endpoints: enableInference is off.",
            "Set enableInference on the cluster's page, tab Extension, or choose another compute.", 409),
    Problem("extension-no-training", "The extension is installed without training",
            "The cluster {cluster} takes no jobs: enableTraining is off.",
            "Set enableTraining on the cluster's page, tab Extension, or choose another compute.", 409),
    Problem("extension-setting-invalid", "A setting is not right", TEXT, "Correct the setting; nothing was changed.", 422),
    Problem("extension-busy", "The extension is being changed", "{what} on {cluster} has not ended yet.",
            "Follow it on the cluster's page, tab Extension, and try again when it has ended.", 409),
    Problem("extension-exists", "The extension is installed already", "The cluster {cluster} has it, at revision {revision}.",
            "Change its settings instead.", 409),
    Problem("extension-few-nodes", "Too few nodes", TEXT,
            "Add nodes, widen nodeSelector and workLoadToleration, or set inferenceRouterHA to False for a single pod.", 422),
    Problem("extension-certificate-missing", "There is no certificate", TEXT,
            "Upload one on the cluster's page, tab Network, name an existing Secret in sslSecret, or allow insecure connections.", 422),
    Problem("extension-secret-unusable", "The Secret cannot be used", TEXT,
            "Make it with `kubectl -n mooring-system create secret tls NAME --cert=chain.pem --key=key.pem`.", 422),
    Problem("extension-owned-elsewhere", "Another studio's extension is in this cluster", TEXT,
            "Remove it with that studio. If that studio is gone, take the extension over: it goes on answering meanwhile.", 409),
    Problem("extension-name-in-use", "A name is in use", TEXT,
            "Rename or remove what has the name, if nobody needs it, and try again.", 409),
    Problem("extension-crd-conflict", "A definition of somebody else is in the way", TEXT,
            "Have whoever installed it upgrade it. The studio changes no definition that it did not install.", 409),
    Problem("extension-permissions-missing", "The studio's identity lacks permissions", "It may not: {missing}.",
            "Apply the generated manifest with the part for the extension (`mooring cluster manifest --extension`, or the cluster's "
            "page, tab Connection), or attach the cluster with an identity that may.", 409),
    Problem("extension-helm-missing", "There is no Helm 4", TEXT,
            "Install Helm 4 on the studio's machine, or set MOORING_HELM to its path, and start the studio again.", 409, "administrator"),
    Problem("extension-charts-missing", "The charts cannot be used", TEXT,
            "Set MOORING_EXTENSION_CHARTS to a folder with gateway-helm-<version>.tgz or to the oci:// repository that holds the chart, "
            "or open the way to the registry.",
            409, "administrator"),
    Problem("extension-helm-failed", "Helm failed", TEXT, "Look at Helm's output, mend what it names, and try again.", 502),
    Problem("extension-not-ready", "The extension did not get ready in time", "After {seconds} s: {text}",
            "Look at the objects that are not ready: what each waits for stands beside it. It gets ready by itself when that is "
            "mended; a revision that worked can be brought back.", 504),
    Problem("extension-no-address", "The load balancer has no address", "The router's Service got no address within {seconds} s.",
            "Install a load balancer controller in the cluster, or set inferenceRouterServiceType to nodePort. An address that "
            "comes later is taken up by itself.", 504),
    Problem("extension-degraded", "The extension is not whole", TEXT, "Look at the objects that are not ready.", 409),
    Problem("extension-router-refuses", "The router refuses its configuration", TEXT,
            "Remove or mend the route that it names; endpoints go on as they were until then, and no change reaches them.", 409),
    Problem("extension-pending", "Helm is at work on the release", TEXT,
            "Wait until whoever runs Helm on this cluster is done; the operation goes on by itself.", 409),
    Problem("extension-revision-none", "There is no such revision", "The extension of {cluster} has no revision {number}.",
            "Choose one of the list.", 404),
    Problem("extension-revision-gone", "The revision cannot be brought back",
            "Helm no longer has revision {number}: it was removed, or newer ones pushed it out.",
            "Change the settings to those of the revision instead.", 409),
    Problem("extension-in-use", "Endpoints need it", "{count} endpoints are on the router of {cluster}: {names}.",
            "Delete them first, or remove the extension by force: they stop answering.", 409),
    who="operator",
)  # fmt: skip
