"""The YAML of online endpoints and deployments: the original's Kubernetes kinds, read as they are."""
