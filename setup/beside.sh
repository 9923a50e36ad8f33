#!/usr/bin/env bash
# beside.sh ONE OTHER: run two commands at once, the first with what the second leaves of the processors; fails when either does.
# The second may print as it goes; of the first what pytest says of the whole is shown at the end, more when it fails.
set -uo pipefail
printed=$(mktemp)
# In a group of its own, so that all that it started ends with it.
nice -n 19 setsid bash -c "$1" >"$printed" 2>&1 </dev/null &
first=$!
trap 'kill -- "-$first" 2>/dev/null; rm -f "$printed"' EXIT
other=0 one=0
bash -c "$2" || other=$?
wait "$first" || one=$?
if [ "$one" -ne 0 ]; then tail -n 40 "$printed"; else grep -E '^[0-9]+ passed' "$printed"; fi
exit $((other ? other : one))
