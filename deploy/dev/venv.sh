#!/bin/sh
# Make a virtual environment with pinned packages: venv.sh FOLDER [PINS].
# PYTHON=/path/to/python chooses the interpreter; else the first of python3, python3.14 ... that is new enough.
set -eu
folder=$1
pins=${2:-}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

new_enough() {
  command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

python=$(find_python)
[ -n "$python" ] || fail "linecert needs Python 3.11 or newer, and ${PYTHON:-python3} is missing or older." \
  'Debian 12, Ubuntu 24.04:  apt-get install python3 python3-venv' \
  'Fedora, RHEL 9:           dnf install python3.12' \
  'Another place:            make PYTHON=/path/to/python3.12 ...'
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "$python cannot make virtual environments: venv or pip is missing." \
  'Debian, Ubuntu:  apt-get install python3-venv python3-pip'

# A folder whose interpreter is gone (Python was upgraded) or that was moved here is made anew.
if ! "$folder/bin/python" -c '' 2>/dev/null || ! grep -qsF "$(pwd -P)/$folder" "$folder/bin/activate"; then
  echo "Making $folder with $("$python" --version)"
  "$python" -m venv --clear "$folder"
fi
[ -n "$pins" ] || exit 0
echo "Installing into $folder what $pins pins"
# The file pins everything. Left to look for dependencies, pip prefers a newer release to the pin of a package with extras.
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
  --requirement "$pins" || fail \
  "pip could not install the packages of $pins: see its message above." \
  'Without a connection to a package index, set one in pip.conf or PIP_INDEX_URL.'
