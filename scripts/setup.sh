#!/usr/bin/env bash
# Makes .venv with the package and its development tools; does nothing when that is up to date.
# Works without make: `bash scripts/setup.sh`, then `.venv/bin/python -m gibbsian --help`.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE || true

stamp=.venv/.ready
wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "setup: $("$python" --version) is too old: Python 3.10 or newer is needed (set PYTHON=...)" >&2
    exit 1
}
echo "setup: making .venv (once)" >&2
rm -rf .venv
"$python" -m venv .venv

# pip may know of a folder with ready wheels (a CPU build of torch, say); uv has to be told.
links=${PIP_FIND_LINKS:-$(.venv/bin/python -m pip config get global.find-links 2>/dev/null || true)}
if [ -n "$links" ] && [ -d "$links" ]; then export UV_FIND_LINKS="$links"; fi

if .venv/bin/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; then
    .venv/bin/uv pip install --quiet --python .venv/bin/python -c constraints.txt -e ".[dev]"
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
fi
echo "$wanted" > "$stamp"
