#!/bin/sh
# Bring what `make check` and `make test` use beside Python, on Debian and Ubuntu. Never fails: what cannot be had is
# named, and the checks that need it are skipped as loudly.
set -u
tools=build/tools

missing() {
  ! command -v "$1" >/dev/null 2>&1
}

skip() {
  echo "!!! NOT INSTALLED: $1 ($2)"
}

apt_update() {
  [ -n "${updated:-}" ] || apt-get -qq update || echo '!!! apt-get update failed: trying with the lists that are here'
  updated=yes
}

# install COMMAND PACKAGE...: needs root.
install() {
  name=$1
  shift
  missing apt-get && { skip "$name" 'no apt-get here'; return; }
  [ "$(id -u)" = 0 ] || { skip "$name" "as root: apt-get install $*"; return; }
  apt_update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" >/dev/null || skip "$name" 'apt-get failed'
}

# promtool is part of the prometheus package, whose installation would start a server: it is only unpacked.
unpack_promtool() {
  missing apt-get && { skip promtool 'no apt-get here'; return; }
  [ "$(id -u)" = 0 ] && apt_update
  mkdir -p "$tools"
  if (cd "$tools" && apt-get -qq download prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb .); then
    rm -f "$tools"/prometheus_*.deb
  else
    skip promtool 'apt-get download prometheus failed'
  fi
}

missing openssl && install openssl openssl
missing make && install make make
missing git && install git git
missing softhsm2-util && install 'SoftHSM2 (without it PKCS#11 is not tested)' softhsm2
python3 -c 'import venv, ensurepip' 2>/dev/null || install 'Python with venv' python3 python3-venv python3-pip
missing promtool && [ ! -x "$tools/usr/bin/promtool" ] && unpack_promtool
missing systemd-analyze && skip systemd-analyze 'it comes with systemd'
exit 0
