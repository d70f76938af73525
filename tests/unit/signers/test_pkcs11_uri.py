"""RFC 7512 URIs: what is read of them, and what each mistake says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linecert_service import config
from linecert_service.domain.errors import ConfigurationError
from linecert_service.signers.pkcs11.uri import Pkcs11Uri
from support.installations import Installation, make_installation

MODULE = "module-path=/usr/lib/libhsm.so"


def test_a_uri_as_tools_print_it_is_read() -> None:
    """`p11tool --list-privkeys` prints all that it knows."""
    uri = (
        "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=6acf298ef519e56d;token=line%20ca;slot-id=327;"
        f"id=%00%01%ff;object=issuer%3B1;type=private?{MODULE}&pin-source=file:/etc/pin"
    )
    assert Pkcs11Uri.parse(uri) == Pkcs11Uri(
        module="/usr/lib/libhsm.so",
        token="line ca",  # noqa: S106 - a label
        serial="6acf298ef519e56d",
        model="SoftHSM v2",
        manufacturer="SoftHSM project",
        slot_id=327,
        object="issuer;1",
        id=b"\x00\x01\xff",
        pin_source=Path("/etc/pin"),
    )


def test_a_key_and_a_module_are_enough() -> None:
    """What is not said is not asked of the token; a name that no folder has is left to the loader."""
    read = Pkcs11Uri.parse("pkcs11:object=issuer?module-name=nobodys-hsm")
    assert read == Pkcs11Uri(module="libnobodys-hsm.so", object="issuer")
    assert (str(read), read.token_name) == ("key 'issuer' in the token", "the token")


@pytest.mark.parametrize(
    "uri, message",
    [
        ("pkcs12:object=a", "must be a PKCS#11 URI"),
        (f"pkcs11:token=a?{MODULE}", "must name the key"),
        (f"pkcs11:?{MODULE}", "must name the key"),
        ("pkcs11:object=a", "needs either module-path or module-name"),
        (f"pkcs11:object=a?{MODULE}&module-name=hsm", "needs either module-path or module-name"),
        ("pkcs11:object=a?module-path=lib.so", "absolute path for module-path"),
        ("pkcs11:object=a?module-name=../x", "bare name"),
        (f"pkcs11:object=a;type=cert?{MODULE}", "must name a private key"),
        (f"pkcs11:object=a;object=b?{MODULE}", "twice"),
        (f"pkcs11:object=a;x-vendor=b?{MODULE}", "takes"),
        (f"pkcs11:object=a?{MODULE}&x-vendor=b", "takes"),
        (f"pkcs11:object=a;token?{MODULE}", "without a value"),
        (f"pkcs11:object=?{MODULE}", "without a value"),
        (f"pkcs11:object=%zz?{MODULE}", "two hex digits"),
        (f"pkcs11:object=%ff?{MODULE}", "not UTF-8"),
        (f"pkcs11:object=%0a?{MODULE}", "control characters"),
        (f"pkcs11:object=a;slot-id=0x1?{MODULE}", "decimal number"),
        (f"pkcs11:object=a?{MODULE}&pin-source=file:pin", "absolute path for pin-source"),
        (f"pkcs11:object=a?{MODULE}&pin-source=%7Ccat%20/etc/pin", "absolute path for pin-source"),
    ],
)
def test_what_a_uri_must_not_be(uri: str, message: str) -> None:
    """Each mistake has a sentence of its own."""
    with pytest.raises(ValueError, match=message):
        Pkcs11Uri.parse(uri)


@pytest.mark.parametrize("uri", ["pkcs11:object=a?pin-value=4711&", "pkcs11:object=a?", "pkcs11:object=a;x?"])
def test_a_pin_in_the_uri_is_refused_and_not_repeated(uri: str, tmp_path: Path) -> None:
    """Secrets do not belong into the TOML; the message says where they belong, and not what this one was."""
    installation: Installation = make_installation(tmp_path / "server")
    installation.edit("file:pki/issuer.key.pem", f"{uri}{MODULE}&pin-value=4711-0815")
    with pytest.raises(ConfigurationError, match="must not hold pin-value") as caught:
        config.load(installation.config)
    assert "4711" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """ValueError, and no other."""
    for uri in (text, f"pkcs11:{text}", f"pkcs11:object=a?{text}", f"pkcs11:object=a;{text}?{MODULE}"):
        try:
            assert Pkcs11Uri.parse(uri).module
        except ValueError:
            continue
