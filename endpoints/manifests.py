"""What an endpoint and its deployments are in the cluster, as pure functions of a plan."""
