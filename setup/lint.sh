#!/usr/bin/env bash
# Style, types, layers, templates and missing migrations. Says what failed, and fails.
set -uo pipefail
cd "$(dirname "$0")/.."
MOORING_DATA=$(mktemp -d)
export MOORING_DATA
failed=0
step() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok    $name"
    else
        echo "FAIL  $name"
        printf '%s\n' "$output" | tail -n 60
        failed=1
    fi
}
step "ruff" .venv/bin/ruff check --quiet .
step "secrets" .venv/bin/python setup/find_secrets.py
step "licences" .venv/bin/python setup/licences.py
step "mypy" .venv/bin/mypy
step "layers" .venv/bin/lint-imports
step "templates" .venv/bin/djlint --lint --quiet templates
step "django" .venv/bin/python manage.py check
step "migrations" .venv/bin/python manage.py makemigrations --check --dry-run
step "runner (Go)" bash -c 'command -v go >/dev/null || exit 0; cd runner/entrypoint && go vet ./...'
rm -rf "$MOORING_DATA"
exit $failed
