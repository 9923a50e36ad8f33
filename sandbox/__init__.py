"""A real Kubernetes for development and tests, made on this machine and removed without a trace.

Run it with ``python -m sandbox up``; ``docs/contributors/sandbox.md`` tells how it is built.
"""
