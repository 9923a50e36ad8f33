#!/usr/bin/env bash
# Install what the checkout needs and does not have: system packages (Debian, with root), Python packages, page assets, the documentation.
# Each step leaves a stamp of what it was made from, so that a second run takes a moment.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[2msetup:\033[0m %s\n' "$*" >&2; }

chromium_found() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

postgres_found() { command -v initdb >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

system_packages() {
    local wanted=()
    chromium_found >/dev/null 2>&1 || wanted+=(chromium)
    command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1 || wanted+=(redis-server)
    command -v git >/dev/null 2>&1 || wanted+=(git)
    # For the tests, and for backups of a studio that uses it.
    postgres_found || wanted+=(postgresql)
    python3 -c 'import venv, ensurepip' 2>/dev/null || wanted+=(python3-venv)
    [ ${#wanted[@]} -eq 0 ] && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "missing on this machine: ${wanted[*]}. Install them, then run this again."
        [[ " ${wanted[*]} " == *" redis-server "* || " ${wanted[*]} " == *" python3-venv "* ]] && exit 1
        return 0
    fi
    say "installing ${wanted[*]}"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}" >/dev/null
    # Debian starts a Redis and a PostgreSQL for the whole machine; the studio and the tests have their own.
    local service
    for service in redis-server postgresql; do
        if [[ " ${wanted[*]} " == *" $service "* ]] && [ -d /run/systemd/system ]; then
            systemctl disable --now "$service" >/dev/null 2>&1 || true
        fi
    done
}

python_packages() {
    local stamp mark
    stamp=.venv/.made-from
    mark=$(cat requirements/dev.lock requirements/uv.lock pyproject.toml setup/install.sh | sha256sum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$mark" ] && return
    local python=python3
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || python=python3.11
    [ -x .venv/bin/python ] || { say "making .venv"; "$python" -m venv .venv; }
    say "installing Python packages"
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
    # Compiled once here: else every process that may not write compiles all it imports, seconds each.
    .venv/bin/uv pip sync -q --compile-bytecode --require-hashes requirements/dev.lock --python .venv/bin/python
    # The checkout itself by a path file: no build, and `mooring` runs what is here.
    .venv/bin/python - <<'PYTHON'
import pathlib, stat, sys, sysconfig
root = pathlib.Path.cwd()
pathlib.Path(sysconfig.get_paths()["purelib"], "mooring-checkout.pth").write_text(f"{root}\n")
script = root / ".venv/bin/mooring"
script.write_text(f"#!{root}/.venv/bin/python\nimport sys\nfrom mooring.cli import main\nsys.exit(main())\n")
script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
PYTHON
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
    printf '%s' "$mark" > "$stamp"
}

system_packages
python_packages
bash setup/assets.sh
bash setup/docs.sh
