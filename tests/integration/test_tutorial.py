"""Azure's tutorial on X.509 enrollment groups, with linecert in the place of its last `openssl ca`.

https://learn.microsoft.com/azure/iot-dps/tutorial-custom-hsm-enrollment-group-x509
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.installations import Installation
from support.openssl import needs_openssl, openssl, verify_client_chain
from support.server import Running, ask, chain_pem, serving

pytestmark = needs_openssl

PASS_PHRASE = "1234"  # noqa: S105 - the tutorial's

CONFIGURATION = """\
[ca]
default_ca = CA_default
[CA_default]
new_certs_dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
RANDFILE = {folder}/.rand
default_md = sha256
policy = policy_loose
[policy_loose]
commonName = supplied
[req]
distinguished_name = name
default_md = sha256
string_mask = utf8only
[name]
[v3_ca]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always,issuer
basicConstraints = critical, CA:true
keyUsage = critical, digitalSignature, cRLSign, keyCertSign
"""


@pytest.fixture
def tutorial(tmp_path: Path) -> Path:
    """The tutorial's root and intermediate: RSA-4096, SHA-256, 30 days."""
    folder = tmp_path / "tutorial"
    folder.mkdir()
    (folder / "openssl.cnf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "index.txt").touch()
    (folder / "serial").write_text("1000\n")
    for name, subject in (("root", "Azure IoT Hub CA Cert Test Only"), ("intermediate", "Intermediate CA")):
        openssl(f"genrsa -aes256 -passout pass:{PASS_PHRASE} -out {name}.key.pem 4096", folder=folder)
        files = f"-key {name}.key.pem -passin pass:{PASS_PHRASE} -out {name}.csr.pem"
        openssl(f"req -config openssl.cnf -new -sha256 {files} -subj", f"/CN={subject}", folder=folder)
    sign = f"ca -config openssl.cnf -batch -notext -days 30 -md sha256 -extensions v3_ca -passin pass:{PASS_PHRASE}"
    root = "-selfsign -keyfile root.key.pem -in root.csr.pem -out root.pem"
    intermediate = "-cert root.pem -keyfile root.key.pem -in intermediate.csr.pem -out intermediate.pem"
    openssl(f"{sign} {root}", folder=folder)
    openssl(f"{sign} {intermediate}", folder=folder)
    return folder


@pytest.fixture
async def server(tutorial: Path, installation: Installation) -> AsyncIterator[Running]:
    """A server that signs with the tutorial's intermediate, and clamps."""
    pki = installation.layout.pki
    chain = [(tutorial / name).read_text() for name in ("intermediate.pem", "root.pem")]
    (pki / "issuer.chain.pem").write_text("".join(chain))
    (pki / "issuer.key.pem").write_text((tutorial / "intermediate.key.pem").read_text())
    (pki / "issuer.passphrase").write_text(f"{PASS_PHRASE}\n")
    installation.edit("clamp = false", "clamp = true")
    async with serving(installation) as running:
        yield running


async def test_devices_of_the_tutorial_get_chains_that_openssl_accepts(
    server: Running, tutorial: Path, tmp_path: Path
) -> None:
    """CSRs of `openssl req -new -subj /CN=device-01 -sha256`, RSA-4096 and P-256; chains to the tutorial's root."""
    station = server.caller()
    openssl("genrsa -out device-01.key.pem 4096", folder=tutorial)
    openssl("ecparam -genkey -name prime256v1 -noout -out device-02.key.pem", folder=tutorial)
    for device in ("device-01", "device-02"):
        csr = openssl(f"req -new -key {device}.key.pem -subj /CN={device} -sha256", folder=tutorial)
        response = await station.sign(ask(csr=csr.encode()))
        assert response.issued.registration_id == device
        verify_client_chain(chain_pem(response), tmp_path)
        assert chain_pem(response).endswith((tutorial / "root.pem").read_bytes())
