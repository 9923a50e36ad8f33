#!/usr/bin/env bash
# beside.sh ONE OTHER: run two commands at once, the first with what the second leaves of the processors; fails when either does.
# The second may print as it goes; of the first the last line is shown at the end, more when it fails.
set -uo pipefail
printed=$(mktemp)
nice -n 19 bash -c "exec $1" >"$printed" 2>&1 </dev/null &
first=$!
trap 'kill "$first" 2>/dev/null; rm -f "$printed"' EXIT
other=0 one=0
bash -c "$2" || other=$?
wait "$first" || one=$?
tail -n $((one ? 40 : 1)) "$printed"
exit $((other ? other : one))
