#!/usr/bin/env bash
# `make demo`: one service on this machine, two devices that get their certificates from it over mutual TLS.
# Everything happens in demo/N; ONCE=1 ends when all is shown, else the service stays until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=.venv/bin
python=$bin/python
server=

# Each run has a folder of its own, so that a demo that still runs is left alone; those that ended are removed.
new_folder() {
  local old number=1
  mkdir -p demo
  for old in demo/*/; do
    if [ -d "$old" ] && ! kill -0 "$(cat "$old/demo.pid" 2>/dev/null || echo none)" 2>/dev/null; then rm -rf "$old"; fi
  done
  until mkdir "demo/$number" 2>/dev/null; do number=$((number + 1)); done
  echo $$ >"demo/$number/demo.pid"
  echo "demo/$number"
}

# Three ports that the operating system says are free.
free_ports() {
  "$python" - <<'PYTHON'
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(one.getsockname()[1] for one in taken))
PYTHON
}

title() {
  printf '\n--- %s\n' "$*"
}

# Shows a command as one would type it, and runs it.
run() {
  printf '$ %s\n' "$*"
  "$@"
}

stop_server() {
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
}

fail() {
  printf '\nThe demo failed: %s\n' "$*" >&2
  if [ -f "$folder/server.log" ]; then
    echo "The last lines of $folder/server.log:" >&2
    tail -n 15 "$folder/server.log" >&2
  fi
  exit 1
}

wait_until_it_serves() {
  local _
  for _ in {1..60}; do
    kill -0 "$server" 2>/dev/null || { server=; fail 'the service stopped at its start'; }
    if "$python" deploy/probe.py "$1" 0.5 2>/dev/null; then return; fi
  done
  fail 'the service is not ready after 30 s'
}

# The device's part, as in Azure's tutorial: a key that stays, and a CSR that says who it is.
make_csr() {
  if command -v openssl >/dev/null; then
    run openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha256 -nodes -subj /CN=device-01 \
      -keyout "$folder/device-01.key.pem" -out "$folder/device-01.csr.pem" 2>"$folder/openssl.log" ||
      fail "openssl made no CSR: see $folder/openssl.log"
    return
  fi
  echo '(no openssl here: Python makes the key and the CSR)'
  "$python" - "$folder/device-01" <<'PYTHON'
import pathlib, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "device-01")])
csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
pem = serialization.Encoding.PEM
private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
for suffix, content in ((".key.pem", private), (".csr.pem", csr.public_bytes(pem))):
    path = pathlib.Path(sys.argv[1] + suffix)
    path.touch(mode=0o600)
    path.write_bytes(content)
PYTHON
}

verify_chain() {
  # The first certificate of the file is the device's; the last one is the root, which stands here for the copy in DPS.
  local chain=$1
  awk -v out="$folder/part" '/BEGIN CERTIFICATE/ { n++ } { print > (out n ".pem") }' "$chain"
  run openssl verify -x509_strict -purpose sslclient -CAfile "$folder/part3.pem" -untrusted "$folder/part2.pem" "$chain" ||
    fail "openssl does not accept $chain"
}

show_metrics() {
  "$python" - "http://127.0.0.1:$metrics_port/metrics" <<'PYTHON'
import sys, urllib.request
shown = ("linecert_issued_certificates_total{", "linecert_log_size ", "linecert_signer_up ", "linecert_store_up ")
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=5) as page:
    print("\n".join(line for line in page.read().decode().splitlines() if line.startswith(shown)))
PYTHON
}

next_steps() {
  cat <<TEXT

The service runs until Ctrl-C. In another terminal, from $PWD:
  $bin/linecert -C $site/clients/station-01 make --registration-id device-03 --out $folder/out
  $bin/linecert -C $site/clients/auditor-01 list --json
  $bin/linecert -C $site/clients/auditor-01 show --registration-id device-01
  curl -s http://127.0.0.1:$metrics_port/metrics | grep ^linecert_
  tail -f $folder/server.log
TEXT
}

folder=$(new_folder)
site=$folder/site
trap stop_server EXIT
trap 'echo; echo "Stopping the service."; exit 0' INT TERM HUP
read -r port metrics_port health_port <<<"$(free_ports)"

title 'An installation: CA keys, configuration, and client folders for a station, an auditor and a planner'
run "$bin/linecert-server" init "$site" --listen "127.0.0.1:$port" --metrics-listen "127.0.0.1:$metrics_port" \
  --health-listen "127.0.0.1:$health_port"

title 'The service, with mutual TLS'
echo "$ $bin/linecert-server serve --config $site/linecert.toml"
"$bin/linecert-server" serve --config "$site/linecert.toml" >"$folder/server.log" 2>&1 &
server=$!
wait_until_it_serves "127.0.0.1:$health_port"
echo "It serves on 127.0.0.1:$port; its log is $folder/server.log"

title 'device-01 made its P-256 key itself and hands the station a CSR'
make_csr
run "$bin/linecert" -C "$site/clients/station-01" sign "$folder/device-01.csr.pem" --out "$folder/out"

title 'device-02 cannot make keys: the station makes its RSA key'
run "$bin/linecert" -C "$site/clients/station-01" make --registration-id device-02 --key-type rsa-2048 --out "$folder/out"

title 'Each chain (leaf, intermediate, root) is what Azure DPS wants'
if command -v openssl >/dev/null; then
  verify_chain "$folder/out/device-01.chain.pem"
  verify_chain "$folder/out/device-02.chain.pem"
else
  echo '!!! SKIPPED: openssl verify (no openssl on this machine)'
fi

title 'What the auditor sees'
run "$bin/linecert" -C "$site/clients/auditor-01" list

title 'What Prometheus sees'
show_metrics
echo '(The log has more leaves than certificates: its first one records the issuer, others record such events.)'

if [ -n "${ONCE:-}" ]; then
  stop_server
  title 'The demo ran to its end'
  exit 0
fi
next_steps
# `wait` ends early at a signal, whose trap then ends the script.
wait "$server" || true
server=
fail 'the service stopped by itself'
