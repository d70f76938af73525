#!/bin/sh
# Verify the systemd units and the monitoring files with their own tools: check-deploy.sh FOLDER (for what it needs).
# A tool that this machine lacks is named and skipped: deploy/dev/install-tools.sh brings it.
set -eu
folder=$1
mkdir -p "$folder"

have() {
  command -v "$1" >/dev/null 2>&1 || {
    echo "!!! SKIPPED: $2 (no $1 on this machine)"
    return 1
  }
}

if have systemd-analyze 'verification of the units of deploy/systemd'; then
  # The units name the installed command, which a developer's machine does not have.
  for unit in linecert linecert@; do
    sed 's#^\(ExecStart[A-Za-z]*=\)[^ ]*#\1/bin/true#' "deploy/systemd/$unit.service" >"$folder/$unit.service"
  done
  systemd-analyze verify "$folder/linecert.service" "$folder/linecert@1.service"
fi
if have promtool 'checks and tests of deploy/monitoring'; then
  promtool check config deploy/monitoring/prometheus.yml
  promtool test rules deploy/monitoring/rules_test.yml
fi
