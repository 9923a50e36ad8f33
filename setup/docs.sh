#!/usr/bin/env bash
# Build the documentation that the studio serves at /docs/, when what it is made of changed (or always with --anew, which fails on a broken link).
set -euo pipefail
cd "$(dirname "$0")/.."
site=.mooring/docs
mkdir -p .mooring
# One at a time, where the machine has the means.
if command -v flock >/dev/null; then exec 9> .mooring/docs.lock; flock 9; fi
# Pages and pictures, and of the code what the references are made from: the command, the client, the API, the problems.
mark=$({
    find docs docs_site mkdocs.yml README.md CHANGELOG.md SECURITY.md setup/docs.sh requirements/dev.lock mooring -type f ! -name '*.pyc' -print0
    find studio compute jobs endpoints \( -name 'api.py' -o -path '*/api/*.py' -o -path 'studio/api/*' -o -name 'problems.py' \) -type f ! -name '*.pyc' -print0
} | sort -z | xargs -0 sha256sum | sha256sum)
if [ "${1:-}" != --anew ] && [ -f "$site/.made-from" ] && [ "$(cat "$site/.made-from")" = "$mark" ]; then exit 0; fi
# Beside it and then in its place, so that a studio that runs has the pages all the while.
next=$(mktemp -d .mooring/docs.XXXXXX)
data=$(mktemp -d)
trap 'rm -rf "$next" "$data"' EXIT
if ! said=$(NO_MKDOCS_2_WARNING=1 MOORING_DATA=$data .venv/bin/python -m mkdocs build --site-dir "$PWD/$next" 2>&1 9>&-); then
    printf '%s\n' "$said" >&2
    if [ "${1:-}" = --anew ]; then exit 1; fi
    printf 'setup: the documentation was not built: its pages in the studio are the ones from before\n' >&2
    exit 0
fi
printf '%s' "$mark" > "$next/.made-from"
chmod 755 "$next"
rm -rf "$site"
mv "$next" "$site"
