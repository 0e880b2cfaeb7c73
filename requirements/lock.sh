#!/usr/bin/env bash
# Resolves the newest versions that work together, from an empty environment, and pins them exactly.
# torch is pinned by hand and without its "+cpu" label, so that one lock serves every platform.
set -euo pipefail
cd "$(dirname "$0")/.."
torch=2.13.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip="$work/venv/bin/pip --quiet --disable-pip-version-check"
freeze() { $pip freeze --exclude coterie --exclude pip | sed 's/+cpu$//' | grep -v '^-e\|@ file'; }
head="# Written by requirements/lock.sh: do not edit."
$pip install "torch==$torch" .
{ echo "$head"; freeze; } >requirements/coterie.lock
$pip install ".[dev]"
{ echo "$head"; freeze; } >requirements/dev.lock
