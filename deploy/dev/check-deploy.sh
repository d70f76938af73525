#!/bin/sh
# Verify the systemd unit and the monitoring files with their own tools: check-deploy.sh FOLDER (for what it needs).
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

if have systemd-analyze 'verification of deploy/systemd/linecert.service'; then
  # The unit names the installed command, which a developer's machine does not have.
  sed 's#^\(ExecStart[A-Za-z]*=\)[^ ]*#\1/bin/true#' deploy/systemd/linecert.service >"$folder/linecert.service"
  systemd-analyze verify "$folder/linecert.service"
fi
if have promtool 'checks and tests of deploy/monitoring'; then
  promtool check config deploy/monitoring/prometheus.yml
  promtool test rules deploy/monitoring/rules_test.yml
fi
