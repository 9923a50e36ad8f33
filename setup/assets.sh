#!/usr/bin/env bash
# Bundle the pages' scripts and styles from npm packages when their sources changed (or always with --anew).
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --anew ]; then .venv/bin/python static/build.py; else .venv/bin/python static/build.py --if-needed; fi
if ! cmp -s static/dist/.built-from static/collected/.made-from; then
    # Earlier files stay: a studio that runs, and pages that are open, still ask for them by their hashed names.
    data=$(mktemp -d)
    MOORING_DATA=$data .venv/bin/python manage.py collectstatic --noinput -v 0
    rm -rf "$data"
    cp static/dist/.built-from static/collected/.made-from
fi
