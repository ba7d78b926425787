#!/usr/bin/env bash
# Make the virtual environment with the first Python that is new enough. PYTHON=... chooses another one.
set -euo pipefail

folder=$1
candidates=("${PYTHON:-python3}" python3.13 python3.12 python3.11)
usable='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2])'

for python in "${candidates[@]}"; do
    if "$python" -c "$usable" 2>/dev/null; then
        rm -rf "$folder"
        "$python" -m venv "$folder"
        exit 0
    fi
done

found=$(python3 --version 2>/dev/null || echo "no python3")
echo "napari-adasam needs Python 3.11 or newer with its venv module, and this machine has ${found}." \
    "Install one, for example the packages python3.11 and python3.11-venv, and run make again (PYTHON=... chooses it)." >&2
exit 1
