#!/bin/sh
# Makes .venv with exactly the packages of requirements.txt. Called by make; safe to call again.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/.installed

fail() {
    printf 'Set-up stopped: %s\n' "$1" >&2
    exit 1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# PYTHON, if given, is taken at its word; otherwise python3, or a newer one installed beside it.
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    for candidate in python3 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            PYTHON=$candidate
            break
        fi
    done
fi
found=$(version_of "$PYTHON") || fail "$PYTHON was not found. Install Python 3.11 or newer."
new_enough "$PYTHON" ||
    fail "Python 3.11 or newer is needed, but $PYTHON is $found. \
If a newer one is installed under another name, give it: make test PYTHON=python3.12"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$PYTHON has no venv module. On Debian and Ubuntu: apt install python3-venv"

# A stamp means a complete .venv whose lock has changed: update it in place. Without a stamp it was
# never finished, so start afresh. The stamp goes first and comes back last, so that an interrupted
# install is never taken for a finished one.
if [ -e "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
    echo 'Updating .venv (requirements.txt has changed)...'
    rm -f "$stamp"
else
    echo "Setting up .venv with Python $found (first run only, about a minute)..."
    "$PYTHON" -m venv --clear .venv || fail '.venv could not be created; the reason is above.'
fi

.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes -r requirements.txt </dev/null ||
    fail "pip could not install requirements.txt; its own message is above. \
Connection errors or \"No matching distribution\" mean that no package index could be reached: \
check the network, the proxy and pip's settings, then run make again."

touch "$stamp"
