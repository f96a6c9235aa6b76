#!/usr/bin/env bash
# The test suite in two processes side by side, both with the arguments that are given. The first takes the folders
# below, the second all others, so that a new folder needs no line. Fails if either does.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
export OMP_NUM_THREADS=1
first=()
for folder in mcmc contracts tasks benchmarks experiments oracles golden; do
    [ -d "tests/$folder" ] && first+=("tests/$folder")
done

log=$(mktemp)
trap 'kill $other 2>/dev/null; rm -f "$log"' EXIT
"$python" -m pytest -o cache_dir=.pytest_cache/first "$@" "${first[@]}" > "$log" 2>&1 &
other=$!
"$python" -m pytest "$@" tests "${first[@]/#/--ignore=}"
second_code=$?
wait "$other"
first_code=$?
cat "$log"
# 5: nothing to run, which is all right for one of the two when tests are chosen by -k or -m
[ "$first_code" = 5 ] && [ "$second_code" != 5 ] && first_code=0
[ "$second_code" = 5 ] && [ "$first_code" = 0 ] && second_code=0
exit $((first_code > second_code ? first_code : second_code))
