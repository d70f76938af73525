"""What a vault does with a request: get, create and sign of its documented REST interface (api-version 2025-07-01)."""

import base64
import json
import secrets
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from support.key_vault.entra import CLIENT, Entra

VAULT_HOST: Final = "double.vault.azure.net"
WINDOW_SECONDS: Final = 10.0

_HASHES: Final[dict[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_CURVE_NAMES: Final = {256: "P-256", 384: "P-384", 521: "P-521"}
_CURVES_BY_NAME: Final = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_RSA_SIZES: Final = (2048, 3072, 4096)
_ALL_OPERATIONS: Final = ("sign", "verify", "wrapKey", "unwrapKey", "encrypt", "decrypt")
_THROTTLED: Final = (
    "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
)
_ALGORITHMS: Final = (*_CURVES, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(slots=True)
class Answer:
    """An answer of HTTP."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def encoded(self) -> bytes:
        """The octets of the body, or of `text` in its place."""
        return (self.text or json.dumps(self.body)).encode()


@dataclass(slots=True)
class Key:
    """A version of a key.

    Attributes:
        operations: of the key itself (`key_ops`).
        permissions: what the caller's role allows: `get`, `sign`, `create`.
    """

    name: str
    version: str
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    hsm: bool = False
    enabled: bool = True
    deleted: bool = False
    not_before: float | None = None
    expires: float | None = None
    operations: tuple[str, ...] = ("sign", "verify")
    permissions: tuple[str, ...] = ("get", "sign", "create")

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Key":
        """From what a test configures; `pem` is the private key."""
        private_key = load_pem_private_key(fields.pop("pem").encode(), None)
        assert isinstance(private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        return cls(private_key=private_key, **fields)

    @property
    def kid(self) -> str:
        """Its identifier."""
        return f"https://{VAULT_HOST}/keys/{self.name}/{self.version}"

    @property
    def type(self) -> str:
        """`EC`, `EC-HSM`, `RSA` or `RSA-HSM`."""
        family = "RSA" if isinstance(self.private_key, rsa.RSAPrivateKey) else "EC"
        return family + ("-HSM" if self.hsm else "")

    def bundle(self) -> dict[str, Any]:
        """The KeyBundle that a get answers."""
        attributes: dict[str, Any] = {"enabled": self.enabled, "created": 1_700_000_000, "updated": 1_700_000_000}
        for name, value in (("nbf", self.not_before), ("exp", self.expires)):
            if value is not None:
                attributes[name] = int(value)
        attributes |= {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90, "exportable": False}
        return {"key": self._jwk(), "attributes": attributes, "tags": {}}

    def _jwk(self) -> dict[str, Any]:
        jwk: dict[str, Any] = {"kid": self.kid, "kty": self.type, "key_ops": list(self.operations)}
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            numbers = self.private_key.public_key().public_numbers()
            return jwk | {"n": _number(numbers.n, self.private_key.key_size), "e": _number(numbers.e, 24)}
        point = self.private_key.public_key().public_numbers()
        size = self.private_key.key_size
        return jwk | {"crv": _CURVE_NAMES[size], "x": _number(point.x, size), "y": _number(point.y, size)}


@dataclass(slots=True)
class Faults:
    """What a test lets go wrong.

    Attributes:
        latency: seconds that each answer takes.
        limit: transactions in any ten seconds; 0: as many as one likes.
        retry_after: what a throttled or failing vault says; empty: nothing.
        status: every request is answered with it; 0: not.
        wrong_key: signatures are another key's.
        hang: no answer comes.
        reset: connections are cut before the vault has done anything.
        lose_replies: the same, after it has.
        refuse: there is no way to the vault.
        text: what is answered in place of every good answer; empty: not.
        cut_off: connections are cut within good answers.
    """

    latency: float = 0.0
    limit: int = 0
    retry_after: str = ""
    status: int = 0
    wrong_key: bool = False
    hang: bool = False
    reset: bool = False
    lose_replies: bool = False
    refuse: bool = False
    text: str = ""
    cut_off: bool = False


class Vault:
    """A vault.

    Attributes:
        keys: what it holds.
        faults: what goes wrong.
        seen: how often what was asked: `get`, `create`, `sign`, `throttled`, `challenged`, and errors by their code.
        peak: the most transactions that any ten seconds had.
    """

    def __init__(self, keys: list[Key], entra: Entra) -> None:
        self.keys = keys
        self.faults = Faults()
        self.seen: Counter[str] = Counter()
        self.peak = 0
        self._entra = entra
        self._times: deque[float] = deque()

    def answer(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        """What the vault answers to a request."""
        if problem := self._entra.problem(headers.get("authorization", "")):
            self.seen["challenged"] += 1
            return Answer(401, _error("Unauthorized", problem.message), {"WWW-Authenticate": problem.challenge})
        if self.faults.status:
            return Answer(self.faults.status, _error("ServiceUnavailable", "Try again later."), self._retry_after())
        if not self._within_limit():
            self.seen["throttled"] += 1
            return Answer(429, _error("Throttled", _THROTTLED), self._retry_after())
        answer = self._routed(method, path, query, body)
        if answer.status != 200:
            self.seen[answer.body["error"]["code"]] += 1
        else:
            answer.text = self.faults.text
        return answer

    def _routed(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        if "api-version" not in query:
            return Answer(400, _error("BadParameter", "api-version must be specified"))
        match (method, path.strip("/").split("/")):
            case ("GET", ["keys", name, version]):
                return self._get(name, version)
            case ("GET", ["keys", name]):
                newest = [key.version for key in self.keys if key.name == name][-1:]
                return self._get(name, *newest) if newest else _not_found(name)
            case ("POST", ["keys", name, "create"]):
                return self._create(name, body)
            case ("POST", ["keys", name, version, "sign"]):
                return self._sign(name, version, body)
        return Answer(404, _error("NotFound", "The request URI is not known."))

    def _get(self, name: str, version: str) -> Answer:
        self.seen["get"] += 1
        key = self._find(name, version)
        if key is None:
            return _not_found(name)
        if "get" not in key.permissions:
            return _not_authorized("read")
        return Answer(200, key.bundle())

    def _create(self, name: str, body: bytes) -> Answer:
        if not all("create" in key.permissions for key in self.keys):
            return _not_authorized("create/action")
        if any(key.deleted for key in self.keys if key.name == name):
            return _deleted(name)
        asked = json.loads(body)
        try:
            private_key = _generated(asked)
        except (KeyError, ValueError):
            return Answer(400, _error("BadParameter", "The request body is not a valid KeyCreateParameters."))
        self.seen["create"] += 1
        operations = tuple(asked.get("key_ops", _ALL_OPERATIONS))
        hsm = asked["kty"].endswith("-HSM")
        permissions = ("get", "sign", "create")
        key = Key(name, secrets.token_hex(16), private_key, hsm=hsm, operations=operations, permissions=permissions)
        self.keys.append(key)
        return Answer(200, key.bundle())

    def _sign(self, name: str, version: str, body: bytes) -> Answer:
        key = self._find(name, version)
        if key is None:
            return _not_found(name)
        if refusal := _may_not_sign(key):
            return refusal
        try:
            asked = json.loads(body)
            algorithm, digest = asked["alg"], _decoded(asked["value"])
        except (ValueError, KeyError, TypeError):
            return Answer(400, _error("BadParameter", "The request body is not a valid KeySignParameters."))
        if refusal := _unsuitable(key, algorithm, digest):
            return refusal
        self.seen["sign"] += 1
        signer = _another(key).private_key if self.faults.wrong_key else key.private_key
        return Answer(200, {"kid": key.kid, "value": _encoded(_signature(signer, algorithm, digest))})

    def _find(self, name: str, version: str) -> Key | None:
        named = (key for key in self.keys if (key.name, key.version) == (name, version) and not key.deleted)
        return next(named, None)

    def _within_limit(self) -> bool:
        now = time.monotonic()
        while self._times and self._times[0] <= now - WINDOW_SECONDS:
            self._times.popleft()
        if self.faults.limit and len(self._times) >= self.faults.limit:
            return False
        self._times.append(now)
        self.peak = max(self.peak, len(self._times))
        return True

    def _retry_after(self) -> dict[str, str]:
        return {"Retry-After": self.faults.retry_after} if self.faults.retry_after else {}


def _generated(asked: dict[str, Any]) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if asked["kty"] in {"EC", "EC-HSM"}:
        return ec.generate_private_key(_CURVES_BY_NAME[asked.get("crv", "P-256")])
    if asked["kty"] in {"RSA", "RSA-HSM"} and (bits := asked.get("key_size", 2048)) in _RSA_SIZES:
        return rsa.generate_private_key(65_537, bits)
    raise ValueError(asked["kty"])


def _may_not_sign(key: Key) -> Answer | None:
    now = time.time()
    if "sign" not in key.permissions:
        return _not_authorized("sign/action")
    for refused, text, code in (
        ("sign" not in key.operations, "Operation sign is not permitted on this key.", "KeyOperationForbidden"),
        (not key.enabled, "Operation sign is not allowed on a disabled key.", "KeyDisabled"),
        (now >= (key.expires or now + 1), "Operation sign is not allowed on an expired key.", "KeyExpired"),
        (
            now < (key.not_before or 0),
            "Operation sign is not allowed on a key that is not valid yet.",
            "KeyNotYetValid",
        ),
    ):
        if refused:
            return Answer(403, _error("Forbidden", text, code))
    return None


def _unsuitable(key: Key, algorithm: Any, digest: bytes) -> Answer | None:
    if algorithm not in _ALGORITHMS:
        return Answer(400, _error("BadParameter", f"Invalid algorithm: {algorithm}"))
    fits = (
        key.type.startswith("RSA")
        if algorithm not in _CURVES
        else key.type.startswith("EC") and _CURVE_NAMES[key.private_key.key_size] == _CURVES[algorithm]
    )
    if not fits:
        message = f"Key and signing algorithm are incompatible. Key {key.kid} is of type '{key.type}'"
        return Answer(400, _error("BadParameter", message))
    wanted = _HASHES[algorithm[2:]].digest_size
    if len(digest) != wanted:
        need = f"{algorithm} requires {wanted} bytes, encoded with base64url."
        message = f"Invalid length of 'value': {len(digest)} bytes. {need}"
        return Answer(400, _error("BadParameter", message))
    return None


def _signature(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str, digest: bytes) -> bytes:
    prehashed = utils.Prehashed(_HASHES[algorithm[2:]])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(prehashed)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if algorithm.startswith("RS"):
        return key.sign(digest, padding.PKCS1v15(), prehashed)
    salted = padding.PSS(padding.MGF1(_HASHES[algorithm[2:]]), padding.PSS.DIGEST_LENGTH)
    return key.sign(digest, salted, prehashed)


def _another(key: Key) -> Key:
    if isinstance(key.private_key, ec.EllipticCurvePrivateKey):
        return Key(key.name, key.version, ec.generate_private_key(key.private_key.curve))
    return Key(key.name, key.version, rsa.generate_private_key(65_537, key.private_key.key_size))


def _not_found(name: str) -> Answer:
    message = (
        f"A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be "
        "able to recover it using the correct recovery command."
    )
    return Answer(404, _error("KeyNotFound", message))


def _deleted(name: str) -> Answer:
    message = (
        f"Key {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, "
        "the key can only be recovered or purged."
    )
    return Answer(409, _error("Conflict", message, "ObjectIsDeletedButRecoverable"))


def _not_authorized(action: str) -> Answer:
    message = (
        f"Caller is not authorized to perform action on resource.\r\nCaller: appid={CLIENT}\r\n"
        f"Action: 'Microsoft.KeyVault/vaults/keys/{action}'\r\nDecisionReason: 'DeniedWithNoValidRBAC'"
    )
    return Answer(403, _error("Forbidden", message, "ForbiddenByRbac"))


def _error(code: str, message: str, inner: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return {"error": error}


def _number(value: int, bits: int) -> str:
    return _encoded(value.to_bytes((bits + 7) // 8, "big"))


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
