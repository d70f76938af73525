"""From the bytes as sent to the DER of one CSR and nothing else.

DER has nothing after it; PEM (RFC 7468, section 7, and its older label) is one block with nothing beside it but white
space. What travels beside a CSR may be a secret, so such a request is refused before anything of it is parsed.
"""

import binascii
import re
from typing import Final

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.csr.der import SEQUENCE, DerError, content_bounds
from linecert_service.csr.refusals import refused
from linecert_service.domain.errors import Refused

MAX_SIZE: Final = 16 * 1024
"""In bytes, as sent. A CSR of RSA-4096 takes 1.7 KiB in PEM."""

_BLOCK: Final = re.compile(
    rb"-----BEGIN ((?:NEW )?CERTIFICATE REQUEST)-----[ \t]*[\r\n]([A-Za-z0-9+/= \t\r\n]*)[\r\n]-----END \1-----"
)
_BEGIN: Final = b"-----BEGIN "
_END_LINE: Final = re.compile(rb"-----END [A-Z0-9 ]*-----")
_LABEL: Final = re.compile(rb"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----")
_WHITE_SPACE: Final = b" \t\r\n"
_SEQUENCE: Final = bytes((SEQUENCE,))
_ALONE: Final = "send the CSR alone, as DER or as one PEM block"


def to_der(data: bytes) -> bytes:
    """The DER of the one CSR that `data` is.

    Returns:
        One element with the tag of a SEQUENCE, exactly as long as it says. Nothing in it was looked at.

    Raises:
        Refused: CSR_TOO_LARGE, CSR_NOT_ALONE or CSR_MALFORMED.
    """
    if len(data) > MAX_SIZE:
        raise refused(
            reasons.ERROR_REASON_CSR_TOO_LARGE,
            f"the CSR has {len(data)} bytes, at most {MAX_SIZE} are read: send the PKCS#10 request only",
        )
    _refuse_private_key(data)
    if _is_binary(data):
        return _one_element(data)
    der = _from_pem(data)
    _refuse_private_key(der)
    return _one_element(der)


def _is_binary(data: bytes) -> bool:
    """Whether `data` begins as DER does. 0x30 is also the digit 0, but no text has a long length's octet after it."""
    return data[:1] == _SEQUENCE and (data[1:2] >= b"\x80" or _BEGIN not in data)


def _refuse_private_key(data: bytes) -> None:
    if b"PRIVATE KEY" in data.upper():
        raise refused(
            reasons.ERROR_REASON_CSR_NOT_ALONE,
            "a private key came with the CSR; it was neither kept nor logged, but it has left its device: make a new"
            " key, and send its CSR alone",
        )


def _from_pem(data: bytes) -> bytes:
    block = _BLOCK.fullmatch(data.strip())
    if block is None:
        raise _not_one_block(data.strip())
    try:
        return binascii.a2b_base64(block[2].translate(None, _WHITE_SPACE), strict_mode=True)
    except binascii.Error:
        raise refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the PEM block is not base64: check that it was copied whole, and that no line was cut",
        ) from None


def _not_one_block(text: bytes) -> Refused:
    """Why `text`, without white space at its ends, is not one PEM block of a CSR."""
    blocks = text.count(_BEGIN)
    if not blocks:
        return refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the CSR is neither DER nor PEM: make it with `openssl req -new`" if text else "the CSR is empty: send one",
        )
    if blocks > 1:
        return refused(reasons.ERROR_REASON_CSR_NOT_ALONE, f"there is a second PEM block beside the CSR: {_ALONE}")
    if not text.startswith(_BEGIN):
        return refused(
            reasons.ERROR_REASON_CSR_NOT_ALONE,
            "there is something before the PEM block, such as the text of `openssl req -text` or a byte order mark:"
            f" {_ALONE}",
        )
    end_line = _END_LINE.search(text)
    if end_line is not None and end_line.end() != len(text):
        return refused(
            reasons.ERROR_REASON_CSR_NOT_ALONE,
            f"there is something after the PEM block (the NUL that ends a C string counts): {_ALONE}",
        )
    if not _LABEL.match(text):
        return refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the PEM block is no CERTIFICATE REQUEST: send the CSR, not a certificate or a public key",
        )
    return refused(
        reasons.ERROR_REASON_CSR_MALFORMED,
        "the PEM block is not whole: send its BEGIN line, lines of base64 and the END line of the same label",
    )


def _one_element(der: bytes) -> bytes:
    """`der` when it is one SEQUENCE, as long as it says."""
    try:
        end = content_bounds(der, 0)[1] if der[:1] == _SEQUENCE else 0
    except DerError:
        end = 0
    if not end:
        raise refused(
            reasons.ERROR_REASON_CSR_MALFORMED,
            "the CSR is no DER: encode it as a SEQUENCE with a definite, minimal length (BER is not read)",
        )
    if end > len(der):
        raise refused(reasons.ERROR_REASON_CSR_MALFORMED, "the CSR is shorter than it says: send it whole")
    if end < len(der):
        raise refused(reasons.ERROR_REASON_CSR_NOT_ALONE, f"there are bytes after the end of the CSR's DER: {_ALONE}")
    return der
