"""The text of the files that `init` writes for an operator to read and change."""

from typing import Final

SETTINGS: Final = """\
# Settings of the linecert server "{name}". Paths are relative to this file; durations are written 90s, 5m, 12h, 30d or
# 5y (years of 365 days). Check what you changed with `linecert-server check --config linecert.toml`. A running server
# takes over what changes of [issuers] and [profiles]; for all else restart it.
# Any setting may come from the environment instead: LINECERT_SERVER__LISTEN is `listen` of [server].

# Who may call, and for what.
stations = "stations.toml"
# Hashes of the keys that this installation made for itself and its callers: no device may come with one of them.
own_keys = "pki/own-keys.txt"
# Hashes (SHA-256 of the SubjectPublicKeyInfo, hex, one a line) of keys that are refused as weak.
# denied_keys = "denied-keys.txt"

[server]
# Where stations, planners and auditors call, with mutual TLS.
listen = "{listen}"
# Prometheus metrics, plain HTTP, and gRPC health for probes without a certificate: for this machine only.
metrics_listen = "{metrics_listen}"
health_listen = "{health_listen}"
# The server's certificate; `linecert-server server-certificate renew` makes the next one.
tls_certificate = "pki/server.pem"
tls_key = "pki/server.key.pem"
# The CAs of callers' certificates. Never put the root or an issuer of device certificates here: a device could then
# pass for a station, and the server refuses to start.
client_ca = "pki/station-ca.pem"
# Whether callers may list the services (grpcurl).
reflection = true

# The intermediate CA that signs device certificates: the certificate that goes into a DPS enrollment group.
[issuers.issuer]
# Its private key: an encrypted file, or a key elsewhere (docs/operations.md).
key = "file:pki/issuer.key.pem"
# Its certificate first, the root last.
chain = "pki/issuer.chain.pem"
# Where the key's pass phrase is. The environment variable LINECERT_ISSUER_ISSUER_PASSPHRASE goes before it.
passphrase_file = "pki/issuer.passphrase"

# What a device certificate looks like. Stations name the profiles that they may use in stations.toml.
[profiles.device]
issuer = "issuer"
# The issuer that is to follow, and when; without a time it waits for `linecert-server issuer switch device`.
# next_issuer = "issuer-2027"
# switch_at = 2027-01-01T00:00:00Z
# How long certificates live; `not_after = 9999-12-31T23:59:59Z` instead is a fixed end.
validity = "5y"
# The most that a request may ask for.
max_validity = "5y"
# How far notBefore lies in the past, for devices whose clocks are behind.
backdate = "5m"
# End with the issuer, instead of refusing, when the issuer ends earlier.
clamp = false
# Which keys devices may have.
key_types = ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"]
# What stands before the common name in the subject, such as subject = {{ O = "Contoso", OU = "Line 3" }}.
subject = {{}}

# Where every issued certificate is recorded.
[store]
url = "sqlite:///linecert.db"

# The transparency log over the records. Its verifier key is in pki/log.pub.
[log]
name = "{name}"
key = "pki/log.key.pem"

# What the server takes on at once, and what connections may cost; these are the defaults.
# [limits]
# How many requests may be under way; by default what suits the issuer's key.
# pending = 512
# How many connections callers may have, all together; each is an open file of the process.
# connections = 4096
# How long a connection may take until it can carry calls.
# handshake = "10s"
# Connections end after as long without a call, and in any case after a time: then callers find servers that were added.
# connection_idle = "15m"
# connection_age = "1h"
"""

STATIONS: Final = """\
# Who may call the linecert server, and for what. Add callers with `linecert-server station add NAME --line LINE`. A
# running server reads this file when it changes, and goes on with what it read before when something is wrong with it.
# Each [[stations]] takes:
#
# name                      recorded with every certificate that it gets
# line                      its manufacturing line, recorded likewise
# identity                  what its certificate says: kind "uri", "dns", "cn" or "sha256", and the value; also ca, the
#                           SHA-256 of the station CA's certificate, where the client CA file holds several
# roles                     "station" (asks for certificates), "planner" (work orders), "auditor" (reads), "operator"
# profiles                  which profiles of linecert.toml it may use; without one it gets nothing
# default_profile           the one that it gets without asking; needed only with several
# registration_id_patterns  for which devices, such as ["line1-*", "sn-????"]; without one, for any
# work_order_required       whether each request must name a work order (false)
# replacement_reasons       "REWORK", "LOST", "KEY_COMPROMISE", "EXPIRING": why it may replace a certificate; none
# per_minute, per_day       how many certificates it gets at most; no limit
# enabled                   false locks it out
# valid_until               the last day on which it may call, such as 2027-12-31
# revoked_serials           serial numbers, in hex, of its certificates that are not accepted any more
"""
