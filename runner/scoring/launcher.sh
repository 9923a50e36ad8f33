#!/bin/sh
# The scoring server: a zip that Python runs, with this in front of it for images of which nobody knows where their Python is.
for python in "$MOORING_SCORING_PYTHON" "$AZUREML_CONDA_ENVIRONMENT_PATH/bin/python" "$CONDA_PREFIX/bin/python" python3 python \
    /opt/conda/bin/python /opt/miniconda/bin/python /usr/local/bin/python3 /usr/bin/python3; do
    [ -n "$python" ] && command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 && exec "$python" "$0" "$@"
done
said='{"id": "scoring-python-missing", "text": "There is no Python 3.8 or newer in this image."}'
echo "$said"
log="${MOORING_TERMINATION_LOG:-/dev/termination-log}"
[ -w "$log" ] || [ -w "${log%/*}" ] && printf '%s' "$said" 2>/dev/null >"$log"
exit 4
