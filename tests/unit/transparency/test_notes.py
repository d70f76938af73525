"""Signed notes and checkpoints: known vectors, and what is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from linecert.transparency.merkle import EMPTY_ROOT
from linecert.transparency.notes import (
    Checkpoint,
    InvalidSignatureError,
    MalformedNoteError,
    NoteSigner,
    UnverifiedNoteError,
    VerifierKey,
    open_checkpoint,
    open_note,
)

# The example of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_NOTE = (
    PETER_TEXT
    + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6K"
    "E6RyyBwJnAM=\n"
)

SIGNER = NoteSigner("factory-7/1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEY = SIGNER.verifier_key
NOTE = SIGNER.sign_checkpoint("factory-7/1", 20852163, bytes(range(32)))
TEXT, SIGNATURE_LINE = NOTE.split("\n\n")
OTHER = NoteSigner("factory-8/1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def test_note_of_the_go_implementation() -> None:
    """A note signed by Go's sumdb verifies under its verifier key."""
    assert open_note(PETER_NOTE, [VerifierKey.parse(PETER)]) == PETER_TEXT


def test_verifier_key_text() -> None:
    """A verifier key is written as it was read."""
    assert str(VerifierKey.parse(PETER)) == PETER
    assert str(VerifierKey.parse(str(KEY))) == str(KEY)


def test_checkpoint_is_read_back() -> None:
    """A signed checkpoint gives origin, size and root."""
    assert open_checkpoint(NOTE, [KEY]) == Checkpoint("factory-7/1", 20852163, bytes(range(32)))


def test_checkpoint_of_an_empty_log() -> None:
    """A log without leaves has a checkpoint too: size 0, root of nothing."""
    note = SIGNER.sign_checkpoint("factory-7/1", 0, EMPTY_ROOT)
    assert note.startswith("factory-7/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u2014 factory-7/1 ")
    assert open_checkpoint(note, [KEY]).size == 0


def test_signatures_of_others_are_passed_over() -> None:
    """A witness's signature that the verifier does not know neither helps nor harms."""
    cosignature = OTHER.sign(TEXT + "\n").split("\n\n")[1]
    assert open_checkpoint(NOTE + cosignature, [KEY]).origin == "factory-7/1"
    assert open_checkpoint(f"{TEXT}\n\n{cosignature}{SIGNATURE_LINE}", [KEY, VerifierKey.parse(PETER)]).size == 20852163


def test_extension_lines_are_allowed() -> None:
    """Lines after the root are signed, and not looked at."""
    note = SIGNER.sign(TEXT + "\nextension\n")
    assert open_checkpoint(note, [KEY]).size == 20852163


def test_a_note_by_nobody_known_is_refused() -> None:
    """Without a known signature nothing of a note is believed."""
    with pytest.raises(UnverifiedNoteError):
        open_checkpoint(NOTE, [OTHER.verifier_key])
    with pytest.raises(UnverifiedNoteError):
        open_checkpoint(NOTE, [])


def test_changed_text_is_refused() -> None:
    """A changed text under a good signature line does not verify."""
    with pytest.raises(InvalidSignatureError, match="factory-7/1"):
        open_checkpoint(NOTE.replace("20852163", "20852164"), [KEY])


def test_one_false_signature_under_a_known_name_spoils_the_note() -> None:
    """A signature that claims to be by a known key has to be by it, even beside a good one."""
    forged = base64.b64encode(OTHER.verifier_key.key_id + bytes(64)).decode()
    with pytest.raises(InvalidSignatureError, match="factory-8/1"):
        open_checkpoint(f"{NOTE}\u2014 factory-8/1 {forged}\n", [KEY, OTHER.verifier_key])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        TEXT + "\n\n",
        NOTE.removesuffix("\n"),
        NOTE + "\n",
        NOTE + "text\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("\u2014 ", "- "),
        NOTE.replace("\u2014 ", "\u2014"),
        NOTE.replace("\u2014 ", "\u2014  "),
        NOTE.replace("\u2014 factory-7/1", "\u2014 fact+ry-7/1"),
        NOTE.replace("\u2014 factory-7/1", "\u2014 fact\u00a0ory-7/1"),
        NOTE.removesuffix("\n") + " \n",
        NOTE.removesuffix("=\n") + "\n",
        NOTE + "\u2014 name AAAAAA==\n",
        NOTE + "\u2014 name AAAAAAB=\n",
        NOTE + "\u2014 name AAAA_AA=\n",
        NOTE + "\u2014 name \u00e9AAA\n",
        NOTE.replace("factory", "fac\ttory"),
        NOTE.replace("factory", "fac\ud800tory"),
        "x" * (1 << 20) + NOTE,
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    """What is no signed note by the letter of the specification is not taken for one."""
    with pytest.raises(MalformedNoteError):
        open_note(note, [KEY])


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "one line\n",
        "two\n1\n",
        f"\n1\n{ROOT}\n",
        f"origin\n\n1\n{ROOT}\n",
        f"origin\n1\n{ROOT}\n\nextension\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n1 \n{ROOT}\n",
        f"origin\n\u0661\n{ROOT}\n",
        f"origin\n{10**19}\n{ROOT}\n",
        f"origin\n1\n{ROOT[:-4]}\n",
        f"origin\n1\n{ROOT[:-1]}\n",
        f"origin\n1\n{ROOT} \n",
        "origin\n1\nAAAA\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    """A text signed by the log that is no checkpoint by the letter of the specification is refused."""
    with pytest.raises(MalformedNoteError):
        open_checkpoint(SIGNER.sign(text), [KEY])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("Peter", "Petra"),
        PETER[:-4],
        PETER + "\n",
        PETER.replace("+ARpc", "+Ahpc"),
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    """A verifier key with a changed name, ID, algorithm or length is not taken for one."""
    with pytest.raises(MalformedNoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "origin, size, root",
    [
        ("", 1, bytes(32)),
        ("two\nlines", 1, bytes(32)),
        ("tab\t", 1, bytes(32)),
        ("origin", -1, bytes(32)),
        ("origin", 1, bytes(31)),
    ],
)
def test_only_checkpoints_are_signed(origin: str, size: int, root: bytes) -> None:
    """The signer signs no statement that a verifier would read as another one."""
    with pytest.raises(MalformedNoteError):
        SIGNER.sign_checkpoint(origin, size, root)


@pytest.mark.parametrize("text", ["", "no newline", "bell\x07\n", "carriage\r\n"])
def test_only_notes_are_signed(text: str) -> None:
    """The signer signs no text that cannot stand in a note."""
    with pytest.raises(MalformedNoteError):
        SIGNER.sign(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x00b"])
def test_names_of_keys(name: str) -> None:
    """A name that would break a signature line is refused when the key is made."""
    with pytest.raises(MalformedNoteError):
        NoteSigner(name, Ed25519PrivateKey.generate())
