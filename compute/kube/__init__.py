"""Talk to Kubernetes: the only package that imports its client; no Django, dicts in and out."""
