#!/usr/bin/env bash
# Run the client's cluster tests against the oldest and the newest supported Kubernetes (control plane, simulated nodes).
set -euo pipefail
cd "$(dirname "$0")/.."
for version in 1.34 1.36; do
    name="v${version/./-}"
    .venv/bin/python -m sandbox up --name "$name" --version "$version" --simulated 3
    trap '.venv/bin/python -m sandbox down --name "$name"' EXIT
    MOORING_TEST_SANDBOX="$name" .venv/bin/python -m pytest -q -m cluster tests/cluster/test_kube_client.py
    .venv/bin/python -m sandbox down --name "$name"
    trap - EXIT
done
