"""What can go wrong with clusters, computes and instance types, and the way from the client's errors to it."""

from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from studio.core.errors import ProblemError
from studio.core.problems import Problem, register

MANIFEST = (
    "Let the studio generate its own least-privilege identity: apply that manifest to the cluster with kubectl, and attach "
    "with the kubeconfig that the command beside it prints."
)
TEXT = "{text}"

KUBECONFIG = (
    Problem("kubeconfig-aliases", "The kubeconfig uses anchors", TEXT,
            "Write the repeated parts out: `kubectl config view --raw --flatten --minify` does that.", 422),
    Problem("kubeconfig-auth-provider", "The kubeconfig signs in through a plugin", TEXT, MANIFEST, 422),
    Problem("kubeconfig-bad-certificate", "A certificate or key cannot be used", TEXT,
            "Export the kubeconfig again with `kubectl config view --raw --flatten --minify`; a key must have no passphrase.", 422),
    Problem("kubeconfig-bad-namespace", "The context's namespace is not a name", TEXT,
            "Correct or remove `namespace` in the context.", 422),
    Problem("kubeconfig-bad-proxy", "The proxy's address cannot be used", TEXT,
            "Give `proxy-url` as http:// or https:// with host and port, or remove it.", 422),
    Problem("kubeconfig-bad-server-url", "The server's address cannot be used", TEXT,
            "Give `server` as https://host:port, as the studio reaches it.", 422),
    Problem("kubeconfig-bad-token", "The token cannot be used", TEXT, "Copy the token again, without quotes or line breaks in it.", 422),
    Problem("kubeconfig-basic-auth", "The kubeconfig signs in with a password", TEXT, MANIFEST, 422),
    Problem("kubeconfig-empty", "The kubeconfig is empty", TEXT, "Paste the whole text of the kubeconfig, or choose its file.", 422),
    Problem("kubeconfig-exec-plugin", "The kubeconfig runs a program to sign in", TEXT, MANIFEST, 422),
    Problem("kubeconfig-file-path", "The kubeconfig points to a file", TEXT,
            "Put the content in its place: `kubectl config view --raw --flatten --minify` does that.", 422),
    Problem("kubeconfig-impersonation", "The kubeconfig acts as somebody else", TEXT, MANIFEST, 422),
    Problem("kubeconfig-insecure-tls", "The kubeconfig switches off TLS checks", TEXT,
            "Put the cluster's CA into `certificate-authority-data`. An administrator may allow it regardless; the cluster then "
            "carries a warning for ever.", 422),
    Problem("kubeconfig-no-context", "No context was chosen", TEXT, "Choose one of the kubeconfig's contexts.", 422),
    Problem("kubeconfig-no-credentials", "The kubeconfig has no credentials", TEXT, MANIFEST, 422),
    Problem("kubeconfig-no-server", "The kubeconfig has no server", TEXT,
            "Export the context again with `kubectl config view --raw --flatten --minify`.", 422),
    Problem("kubeconfig-not-a-kubeconfig", "This is not a kubeconfig", TEXT,
            "Paste the output of `kubectl config view --raw --flatten --minify`.", 422),
    Problem("kubeconfig-not-yaml", "The kubeconfig cannot be read", TEXT,
            "Paste the output of `kubectl config view --raw --flatten --minify`.", 422),
    Problem("kubeconfig-several-documents", "There are several documents in it", TEXT,
            "Give one kubeconfig. Merge several with `kubectl config view --raw --flatten`.", 422),
    Problem("kubeconfig-too-large", "The kubeconfig is too large", TEXT,
            "Export only the one context: `kubectl config view --raw --flatten --minify --context NAME`.", 413),
    Problem("kubeconfig-unknown-context", "There is no such context", TEXT, "Choose one of the kubeconfig's contexts.", 422),
    Problem("not-in-a-cluster", "The studio does not run in a cluster", TEXT,
            "Attach the cluster with a kubeconfig, or run the studio as a pod with a service account.", 409, "administrator"),
)  # fmt: skip

KUBE = (
    Problem("kube-error", "The cluster answered with an error", TEXT, "Look at the API server's own log around this time.", 502),
    Problem("kube-unreachable", "The cluster cannot be reached", TEXT,
            "Check from the studio's machine that the server's address and port are open, and whether a proxy is needed.", 502),
    Problem("kube-address-refused", "No cluster is called at this address", TEXT,
            "Give the API server's own address. Where clusters may be is set by MOORING_CLUSTER_NETWORKS; addresses at which machines "
            "find their own credentials are never called.", 422, "administrator"),
    Problem("kube-timeout", "The cluster did not answer in time", TEXT,
            "Check the network between the studio and the cluster: a firewall that drops packets looks like this.", 504),
    Problem("kube-tls-failed", "No secure connection to the cluster", TEXT,
            "Compare the kubeconfig's certificates with the cluster's.", 502),
    Problem("kube-tls-wrong-ca", "The cluster's certificate is not trusted", TEXT,
            "The CA in the kubeconfig did not sign the server's certificate. Export the kubeconfig again; behind a proxy that "
            "opens TLS, give the proxy's CA.", 502),
    Problem("kube-tls-name-mismatch", "The certificate is for another name", TEXT,
            "Use an address that stands in the server's certificate, or set `tls-server-name` in the kubeconfig.", 502),
    Problem("kube-tls-expired", "A certificate has ended", TEXT,
            "Renew the cluster's certificates (kubeadm: `kubeadm certs renew all`), and check the clocks of both machines.", 502),
    Problem("kube-tls-not-tls", "The server does not speak TLS", TEXT, "Check the port: the API server's is often 6443 or 443.", 502),
    Problem("kube-not-kubernetes", "That is not a Kubernetes API server", TEXT,
            "Check the address: a proxy, a sign-in page or another server answered.", 502),
    Problem("kube-unauthorized", "The cluster does not accept the credentials", TEXT,
            "The token or certificate has ended or was withdrawn. Replace the credentials on the cluster's page, tab Connection.", 502),
    Problem("kube-forbidden", "The credentials are not allowed to do this", TEXT,
            "Give the identity the missing permission. The generated least-privilege manifest holds all that the studio needs.", 502),
    Problem("kube-not-found", "The cluster does not have it", TEXT, "Reload: it may have been deleted meanwhile.", 404),
    Problem("kube-conflict", "It changed in the cluster meanwhile", TEXT, "Reload the page and try again.", 409),
    Problem("kube-gone", "The cluster's history has moved on", TEXT, "Try again.", 503),
    Problem("kube-invalid", "The cluster refused it", TEXT, "Correct what the sentence names.", 422),
    Problem("kube-too-many-requests", "The cluster asks for fewer requests", TEXT, "Wait a moment and try again.", 503),
    Problem("kube-pod-answered", "A pod answered with an error", TEXT, "Look at the log of the pod.", 502),
    Problem("kube-server-fault", "The cluster failed on its side", TEXT,
            "Try again; if it stays, look at the API server's and etcd's own logs.", 502),
)  # fmt: skip

OWN = (
    Problem("cluster-too-old", "Kubernetes is too old", "The cluster runs {version}; the studio needs {oldest} or newer, "
            "because jobs use native sidecar containers.", "Upgrade the cluster, or attach another one.", 422),
    Problem("cluster-already-attached", "This cluster is attached already", "It is the cluster {name} of this studio.",
            "Open {name}: its credentials can be replaced there, and it can be given to several workspaces as computes.", 409),
    Problem("cluster-not-ready", "The cluster is not ready", "{name} is {status}: {reason}",
            "Open the cluster's page and follow what it says there.", 409),
    Problem("cluster-detaching", "The cluster is being detached", "{name} is on its way out of this studio.",
            "Wait until it is gone, then attach it again.", 409),
    Problem("cluster-other-than-before", "These credentials are for another cluster",
            "The server answers as another cluster than the one attached as {name}.",
            "Attach it as a cluster of its own; detach {name} when it is gone for good.", 409),
    Problem("credentials-needed-again", "Give the credentials again",
            "The server's address changed, and credentials are never sent to another address than the one they were given for.",
            "Give a whole kubeconfig with the new address.", 422),
    Problem("insecure-not-allowed", "Only an administrator may do this",
            "Connecting without checking the server's certificate takes an administrator.",
            "Give the cluster's CA in the kubeconfig, or ask an administrator to attach the cluster.", 403, "administrator"),
    Problem("runner-image-unknown", "No runner image is set",
            "The studio does not know which image carries its runner, which runs beside each job: no job can start, and how pods and "
            "studio reach each other cannot be tried out.",
            "Ask IT operations to set MOORING_RUNNER_IMAGE to the runner's image as the cluster pulls it, and to start the studio again.",
            409, "administrator"),
    Problem("cluster-probe-failed", "A probe pod did not run", "{text}",
            "Check that the cluster can pull the runner's image and that the namespace {namespace} has room for a small pod.", 502),
    Problem("cluster-no-nodes-ready", "No node is ready", "{text}", "Look at the nodes' conditions, tab Nodes.", 409),
    Problem("cluster-nodes-not-ready", "Some nodes are not ready", "{text}", "Look at the nodes' conditions, tab Nodes.", 409),
    Problem("cluster-permissions-missing", "The studio's identity lacks permissions", "It may not: {missing}.", MANIFEST, 409),
    Problem("cluster-crd-not-applied", "The custom resource could not be installed", "{text}",
            "Have a cluster administrator apply the generated manifest, which holds it, then check the cluster again.", 409),
    Problem("cluster-insecure", "The server's certificate is not checked",
            "Whoever sits between the studio and this cluster can read and change everything.",
            "Replace the credentials by a kubeconfig with the cluster's CA.", 409),
    Problem("cluster-logs-may-lose-lines", "Logs may lose lines",
            "Neither the pod proxy nor port-forward reaches pods, so logs come from the kubelet, which rotates them.",
            "Let the API server reach pods on port 8484 (firewall or network policy between control plane and nodes).", 409),
    Problem("studio-address-unknown", "The studio's address for pods is not set",
            "Pods cannot bring outputs to a studio whose address they do not have.",
            "Set MOORING_POD_URL to an address of this studio that pods reach.", 409, "administrator"),
    Problem("studio-not-reached", "Pods do not reach the studio", "A pod asked for {url}: {text}.",
            "Open the way from the cluster's pods to the studio (firewall, network policy), or set MOORING_POD_URL to an address "
            "that they reach.", 409),
    Problem("cluster-still-used", "The cluster cannot be cleaned while it is unreachable", "{name} does not answer: {reason}",
            "Wait until it answers, or forget it without cleaning: what is left in it is listed on the page.", 409),
    Problem("compute-namespace-missing", "There is no such namespace", "The cluster {cluster} has no namespace {namespace}.",
            "Have it created by the studio, or give the name of one that exists.", 422),
    Problem("compute-namespace-exists", "The namespace exists already", "The cluster {cluster} has a namespace {namespace} already.",
            "Choose another name, or attach the existing namespace.", 409),
    Problem("compute-namespace-taken", "The namespace is in use", "The namespace {namespace} of {cluster} belongs to {owner}.",
            "Choose another namespace: one namespace is one compute, so that workspaces stay apart.", 409),
    Problem("compute-namespace-reserved", "The namespace is reserved", "{namespace} belongs to the cluster itself.",
            "Choose another namespace.", 422),
    Problem("compute-namespace-invalid", "Not the name of a namespace", "{namespace!r} cannot name a namespace.",
            "Use lower-case letters, digits and dashes, at most 63, a letter or digit at both ends.", 422),
    Problem("compute-namespace-terminating", "The namespace is being deleted", "The namespace {namespace} is on its way out.",
            "Wait until it is gone, or choose another name.", 409),
    Problem("compute-namespace-not-created", "The namespace could not be created", "{text}",
            "Have a cluster administrator create it (the generated manifest does, for the namespaces you name), then attach it "
            "as an existing namespace.", 409),
    Problem("compute-permissions-missing", "Jobs could not run there", "In {namespace} the studio's identity may not: {missing}.",
            "Generate the manifest for this namespace on the cluster's page, tab Connection, and apply it with kubectl.", 409),
    Problem("compute-root-refused", "The namespace does not allow root",
            "{namespace} enforces the Pod Security level {level}, which refuses images that run as root.",
            "Have the namespace's owner set it to baseline, or leave root off.", 409),
    Problem("compute-busy", "Something still runs there", "{count} still run on the compute {name}.",
            "Wait until they have ended, or cancel them.", 409),
    Problem("compute-none", "There is no such compute", "The workspace has no compute {name}.",
            "Choose one of its computes, or ask IT operations to attach a cluster.", 422, "contributor"),
    Problem("instance-type-none", "There is no such instance type", "The compute {compute} has no instance type {name}.",
            "Choose one of: {names}.", 422, "contributor"),
    Problem("instance-type-invalid", "The instance type is not right", "{text}", "Correct the field.", 422),
    Problem("instance-type-exists", "The instance type exists already", "The cluster has an instance type {name} already.",
            "Choose another name, or edit the one that exists.", 409),
    Problem("instance-type-not-ours", "The instance type is kept elsewhere",
            "{name} belongs to the group amlarc.azureml.com, which the studio reads and does not change.",
            "Change it with kubectl, or create one of the same name here: it comes first.", 409),
    Problem("instance-type-stale", "The instance type changed meanwhile", "{name} was changed by somebody else.",
            "Look at what it is now, and apply your change again.", 409),
)  # fmt: skip

register(*KUBECONFIG, *KUBE, *OWN, who="operator")


def told(error: KubeError | KubeconfigRefused, *, field: str | None = None) -> ProblemError:
    """Return the problem that a person is told about an error of the Kubernetes client."""
    if isinstance(error, KubeconfigRefused):
        return ProblemError(error.problem_id, field=field, **{**error.params, "text": error.text})
    return ProblemError(error.problem_id, field=field, text=error.message)


OFFERS_MANIFEST = frozenset(problem.id for problem in (*KUBECONFIG, *KUBE, *OWN) if problem.todo == MANIFEST) | {
    "kube-forbidden",
    "cluster-crd-not-applied",
    "compute-permissions-missing",
    "compute-namespace-not-created",
}
