#!/usr/bin/env bash
# Run the quick tests with the oldest and the newest Python and torch: `make matrix`.
# Types are checked against the versions of constraints.txt only: those of older torch differ.
#
#   tests/matrix.sh [PYTHON=TORCH ...]     such as python3.10=2.6.0 python3.13=2.14.1
#
# Environments stay in build/matrix. The default torch for Linux brings several GB of CUDA. For a CPU
# build, set PIP_EXTRA_INDEX_URL to the index of CPU builds and name one, such as 3.10=2.6.0+cpu.
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- python3.10=2.6.0 python3.13=2.14.1
mkdir -p build/matrix
results=()
status=0
for pair in "$@"; do
  python=${pair%%=*} torch=${pair#*=}
  constraints=build/matrix/$pair.txt
  sed "s/^torch==.*/torch==$torch/" constraints.txt >"$constraints.new"
  cmp --silent "$constraints.new" "$constraints" || cp "$constraints.new" "$constraints"
  echo "== $python, torch $torch"
  if make quick PYTHON="$python" VENV="build/matrix/$pair" CONSTRAINTS="$constraints"; then
    results+=("$python, torch $torch: passed")
  else
    results+=("$python, torch $torch: FAILED")
    status=1
  fi
done
printf '%s\n' "${results[@]}"
exit "$status"
