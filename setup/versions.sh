#!/usr/bin/env bash
# Run the client's cluster tests, and a studio, against the oldest and the newest supported Kubernetes (control plane,
# simulated nodes). Versions can be named: setup/versions.sh 1.31. Those that are not in the cache are built: minutes each.
set -euo pipefail
cd "$(dirname "$0")/.."
sandbox() { .venv/bin/python -m sandbox "$@"; }
name=
trap '[ -z "$name" ] || sandbox down --name "$name" --purge' EXIT
for version in ${@:-1.29 1.36}; do
    name="v${version//./-}"
    printf '\n== Kubernetes %s\n' "$version"
    sandbox up --name "$name" --version "$version" --simulated 3
    MOORING_TEST_SANDBOX="$name" .venv/bin/python -m pytest -q -m cluster tests/cluster/test_kube_client.py tests/cluster/test_supported_version.py
    sandbox down --name "$name" --purge
    name=
done
