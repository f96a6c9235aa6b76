#!/usr/bin/env bash
# Makes benchmarks/.venv with gibbsian and the libraries beside which it is measured; does nothing when that
# is up to date. Then: benchmarks/.venv/bin/python -m benchmarks
set -euo pipefail
cd "$(dirname "$0")"
unset PYTHONDONTWRITEBYTECODE || true

stamp=.venv/.ready
wanted=$(cat ../pyproject.toml ../constraints.txt requirements.txt | cksum)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $("$python" --version) is too old: jax needs Python 3.11 or newer (set PYTHON=...)" >&2
    exit 1
}
echo "setup: making benchmarks/.venv (once; 1.4 GB, a few minutes)" >&2
rm -rf .venv
"$python" -m venv .venv

# pip may know of a folder with ready wheels (a CPU build of torch, say); uv has to be told.
links=${PIP_FIND_LINKS:-$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)}
if [ -n "$links" ] && [ -d "$links" ]; then export UV_FIND_LINKS="$links"; fi

what=(-c ../constraints.txt -r requirements.txt -e ..)
if .venv/bin/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then
    .venv/bin/uv pip install --quiet --python .venv/bin/python "${what[@]}"
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "${what[@]}"
fi
echo "$wanted" > "$stamp"
