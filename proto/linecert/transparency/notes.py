"""Signed notes (https://c2sp.org/signed-note) and the checkpoints in them (https://c2sp.org/tlog-checkpoint).

A note is text, an empty line, and signature lines. A checkpoint is a note whose text says how many leaves a log had,
and the root over them:

    factory-7/1
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — factory-7/1 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=

Only Ed25519 signatures are known here; others are passed over, as the specification asks.

    NoteError
    +-- MalformedNoteError     the text is no signed note, or no checkpoint, or a key is no verifier key
    +-- InvalidSignatureError  a signature claims to be by a known key, and is not
    +-- UnverifiedNoteError    no known key signed it
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from linecert.transparency.merkle import HASH_SIZE

_ED25519: Final = b"\x01"
_KEY_ID_SIZE: Final = 4
_PUBLIC_KEY_SIZE: Final = 32
_MAX_NOTE_SIZE: Final = 1 << 20
_MIN_LINES: Final = 3
_EM_DASH: Final = "\u2014"
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
# Control characters but the newline, and the lone surrogates that UTF-8 cannot carry.
_FORBIDDEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


class NoteError(ValueError):
    """Root of what goes wrong with notes."""


class MalformedNoteError(NoteError):
    """The text does not have the form that it needs."""


class InvalidSignatureError(NoteError):
    """A signature carries name and ID of a known key, but that key did not sign this text."""


class UnverifiedNoteError(NoteError):
    """None of the known keys signed the note."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log committed to.

    Attributes:
        origin: the log's name.
        size: how many leaves it had.
        root: the root over them (RFC 9162).
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text.

        Raises:
            MalformedNoteError: the origin does not fit in a line of its own, or size or root are none.
        """
        if not self.origin or "\n" in self.origin or _FORBIDDEN.search(self.origin):
            raise MalformedNoteError("a checkpoint's origin is one line of text")
        if self.size < 0 or len(self.root) != HASH_SIZE:
            raise MalformedNoteError(f"a checkpoint needs a size of 0 or more, and a root of {HASH_SIZE} octets")
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note text; extension lines are allowed and dropped.

        Raises:
            MalformedNoteError: it is no checkpoint.
        """
        lines = text.split("\n")
        # What follows the last newline is nothing, and no other line may be.
        if len(lines) < _MIN_LINES + 1 or lines.pop() or not all(lines):
            raise MalformedNoteError(f"a checkpoint has {_MIN_LINES} lines or more, none of them empty")
        origin, size, root = lines[:_MIN_LINES]
        if not _SIZE.fullmatch(size):
            raise MalformedNoteError("a checkpoint's second line is the tree size in decimal without leading zeros")
        digest = _from_base64(root)
        if len(digest) != HASH_SIZE:
            raise MalformedNoteError(f"a checkpoint's third line is the base64 of {HASH_SIZE} octets")
        return cls(origin, int(size), digest)


class VerifierKey:
    """An Ed25519 public key with the name that goes with it; `str()` gives the form that verifiers are configured with.

    Args:
        name: the key's name, without white space and `+`.
        public_key: the key.

    Raises:
        MalformedNoteError: the name is none.
    """

    def __init__(self, name: str, public_key: Ed25519PublicKey) -> None:
        self.name = _checked_name(name)
        self._public_key = public_key
        self._encoded = _ED25519 + public_key.public_bytes_raw()
        self.key_id = hashlib.sha256(name.encode() + b"\n" + self._encoded).digest()[:_KEY_ID_SIZE]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME+KEYID+BASE64`.

        Raises:
            MalformedNoteError: it has another form, belongs to another algorithm, or its ID does not fit.
        """
        match text.split("+", 2):
            case [name, key_id, encoded]:
                data = _from_base64(encoded)
            case _:
                raise MalformedNoteError("a verifier key has the form NAME+KEYID+BASE64")
        if data[:1] != _ED25519 or len(data) != 1 + _PUBLIC_KEY_SIZE:
            raise MalformedNoteError("a verifier key that is not one of Ed25519")
        key = cls(name, Ed25519PublicKey.from_public_bytes(data[1:]))
        if key.key_id.hex() != key_id:
            raise MalformedNoteError("a verifier key whose ID belongs to another name or key")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(self._encoded)}"

    def verify(self, text: str, signature: bytes) -> None:
        """Verify a signature over a note text.

        Raises:
            InvalidSignatureError: it is not by this key, or not over this text.
        """
        try:
            self._public_key.verify(signature, text.encode())
        except InvalidSignature:
            raise InvalidSignatureError(f"the signature by {self.name} does not fit the text of the note") from None


class NoteSigner:
    """Signs notes with an Ed25519 key.

    Args:
        name: the key's name; for a log its origin.
        private_key: the key.

    Raises:
        MalformedNoteError: the name is none.
    """

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.verifier_key = VerifierKey(name, private_key.public_key())

    def sign(self, text: str) -> str:
        """The note with `text`, which has to end with a newline.

        Raises:
            MalformedNoteError: the text cannot stand in a note.
        """
        if not text.endswith("\n") or _FORBIDDEN.search(text):
            raise MalformedNoteError("the text of a note ends with a newline, and holds no other control characters")
        signature = self.verifier_key.key_id + self._private_key.sign(text.encode())
        return f"{text}\n{_EM_DASH} {self.verifier_key.name} {_base64(signature)}\n"

    def sign_checkpoint(self, origin: str, size: int, root: bytes) -> str:
        """The checkpoint of the log `origin` with `size` leaves and this root, as a signed note.

        Raises:
            MalformedNoteError: the arguments make no checkpoint.
        """
        return self.sign(Checkpoint(origin, size, root).text())


def open_note(note: str, keys: Iterable[VerifierKey]) -> str:
    """The text of a note that at least one of `keys` signed.

    Raises:
        MalformedNoteError: it is no signed note.
        InvalidSignatureError: a signature under the name and ID of one of the keys does not verify.
        UnverifiedNoteError: none of the keys signed it.
    """
    text, signatures = _split_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    verified = False
    for name, signature in signatures:
        key = known.get((name, signature[:_KEY_ID_SIZE]))
        if key is not None:
            key.verify(text, signature[_KEY_ID_SIZE:])
            verified = True
    if not verified:
        raise UnverifiedNoteError("no signature of the note is by a known key")
    return text


def open_checkpoint(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note that at least one of `keys` signed. Whose log it is, `origin` says: compare it.

    Raises:
        MalformedNoteError: it is no signed note, or its text no checkpoint.
        InvalidSignatureError: a signature under the name and ID of one of the keys does not verify.
        UnverifiedNoteError: none of the keys signed it.
    """
    return Checkpoint.parse(open_note(note, keys))


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and the names and decoded values of its signatures."""
    if len(note) > _MAX_NOTE_SIZE or _FORBIDDEN.search(note):
        raise MalformedNoteError("a note is at most 1 MiB, and holds no control characters but newlines")
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise MalformedNoteError("a note is text, an empty line, and signature lines, each ended by a newline")
    return body + "\n", [_signature(line) for line in signatures.removesuffix("\n").split("\n")]


def _signature(line: str) -> tuple[str, bytes]:
    match line.split(" "):
        case [dash, name, encoded] if dash == _EM_DASH:
            value = _from_base64(encoded)
        case _:
            raise MalformedNoteError("a signature line is an em dash, the name of a key and a signature")
    if len(value) <= _KEY_ID_SIZE:
        raise MalformedNoteError("a signature line that holds no signature")
    return _checked_name(name), value


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or _FORBIDDEN.search(name):
        raise MalformedNoteError("the name of a key is not empty, and holds neither white space nor '+'")
    return name


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    """Decode standard base64 that encodes as it stands; empty text gives nothing."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedNoteError("a value that is not standard base64") from error
    if _base64(data) != text:
        raise MalformedNoteError("a value that is not in the one form of standard base64")
    return data
