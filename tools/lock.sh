#!/bin/sh
# Rewrites requirements.txt from pyproject.toml; pins that still fit stay as they are.
# Arguments go to uv: tools/lock.sh --upgrade, tools/lock.sh --upgrade-package numpy
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo 'Resolving the packages of pyproject.toml...'
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
if [ -e requirements.txt ]; then cp requirements.txt "$scratch/lock"; fi
"$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --extra dev pyproject.toml -o "$scratch/lock" --no-header --no-emit-index-url \
    --no-emit-find-links "$@"

{
    echo '# Every package with its version and hashes: enough to run, test and lint.'
    echo '# Written by "make lock" from pyproject.toml; edit that file, then run it again.'
    echo '# Newer versions: make lock ARGS=--upgrade'
    cat "$scratch/lock"
} >"$scratch/requirements.txt"
cp "$scratch/requirements.txt" requirements.txt
echo 'requirements.txt is written.'
