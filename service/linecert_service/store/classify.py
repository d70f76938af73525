"""Decides what becomes of a claim: recorded as new, answered with what stands, or refused.

Pure: what stands comes in as a `Standing`, and the same rules serve the append, under the lock, and the look-ups
before it. The order of the rules is part of the contract: a replay outranks every refusal but a reused request ID.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.requests import Claim
from linecert_service.domain.work_orders import unknown_order
from linecert_service.store.standing import Stand, Standing, WorkOrderStand

NEW_KEY_REASONS: Final = frozenset({"REWORK", "KEY_COMPROMISE"})
"""Replacements that need a new key; for the others a secure element may keep the one it cannot change."""


@dataclass(frozen=True, slots=True)
class New:
    """The claim may be recorded.

    Attributes:
        generation: 1 for the device's first certificate.
        replaces: serial of the one before.
        work_order: the order that it counts for.
    """

    generation: int
    replaces: bytes | None
    work_order: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The claim is answered with what stands.

    Attributes:
        stand: the certificate that is the answer.
        replayed: False when it is the claim's own row, recorded by a COMMIT whose reply was lost.
    """

    stand: Stand
    replayed: bool


Verdict: TypeAlias = New | Answered


def replay_of(claim: Claim, standing: Standing, now: float, serial: bytes | None = None) -> Answered | None:
    """The certificate that answers `claim` already, if there is one. Times in seconds since 1970.

    Args:
        claim: what is asked for.
        standing: what stands.
        now: the time at which a certificate must be active to count as a replay by key.
        serial: of the certificate that was signed for the claim, if one was.

    Raises:
        Refused: REQUEST_ID_REUSED, REGISTRATION_ID_CASE_DIFFERS.
    """
    if same_request := standing.request(claim.station, claim.request_id):
        record = same_request.record
        if record.serial == serial:
            return Answered(same_request, replayed=False)
        if record.request_sha256 == claim.request_sha256:
            return Answered(same_request, replayed=True)
        raise Refused(
            reasons.ERROR_REASON_REQUEST_ID_REUSED,
            "this request_id was used for another request; use a new one for each device, and the same one only to "
            "send a request again unchanged",
            field="request_id",
        )
    generations = standing.device(claim.registration_key)
    if not generations:
        return None
    newest = generations[max(generations)]
    if newest.record.registration_id != claim.registration_id:
        raise Refused(
            reasons.ERROR_REASON_REGISTRATION_ID_CASE_DIFFERS,
            "this registration ID stands in another case; DPS would take both for one device and IoT Hub would not: "
            "ask with the case that stands",
            field="csr",
            metadata=_visible(newest, claim),
        )
    return Answered(newest, replayed=True) if _same_wish(newest, claim, now) else None


def classify(claim: Claim, standing: Standing, now: float, serial: bytes | None = None) -> Verdict:
    """What becomes of `claim`. Arguments as for `replay_of`.

    Raises:
        Refused: with the reason of the first rule that it breaks.
    """
    if replay := replay_of(claim, standing, now, serial):
        return replay
    _check_key(claim, standing, now)
    generations = standing.device(claim.registration_key)
    if claim.replacement_reason is None:
        return _first(claim, standing, generations, now)
    return _replacement(claim, standing, generations)


def _same_wish(newest: Stand, claim: Claim, now: float) -> bool:
    record = newest.record
    return (
        claim.replacement_reason is None
        and record.spki_sha256 == claim.spki_sha256
        and record.line == claim.line
        and record.profile == claim.profile
        and record.work_order == claim.work_order
        and newest.active(now)
    )


def _check_key(claim: Claim, standing: Standing, now: float) -> None:
    for stand in standing.key(claim.spki_sha256):
        other = stand.record.registration_key != claim.registration_key
        if stand.replaced_for == "KEY_COMPROMISE":
            problem = "this key was reported compromised and is never accepted again: the device needs a new key"
        elif other and stand.active(now):
            problem = "this key stands under another registration ID: the device needs a key of its own"
        else:
            continue
        raise Refused(reasons.ERROR_REASON_PUBLIC_KEY_TAKEN, problem, field="csr", metadata=_visible(stand, claim))


def _first(claim: Claim, standing: Standing, generations: dict[int, Stand], now: float) -> New:
    if generations:
        newest = generations[max(generations)]
        raise Refused(
            reasons.ERROR_REASON_REGISTRATION_ID_TAKEN,
            f"this registration ID has a certificate, {_what_differs(newest, claim, now)}: if it is the same device, "
            "ask with a replacement_reason, which the operator must allow for this station; otherwise this CSR carries "
            "another device's ID",
            field="csr",
            metadata=_visible(newest, claim),
        )
    if claim.work_order is not None:
        _check_order(claim, claim.work_order, standing.order(claim.work_order))
    return New(1, None, claim.work_order)


def _replacement(claim: Claim, standing: Standing, generations: dict[int, Stand]) -> New:
    if not generations:
        raise Refused(
            reasons.ERROR_REASON_NOTHING_TO_REPLACE,
            "this device has no certificate that could be replaced: ask without replacement_reason",
            field="replacement_reason",
        )
    newest, first = generations[max(generations)].record, generations[1].record
    if newest.line != claim.line:
        raise Refused(
            reasons.ERROR_REASON_REPLACEMENT_NOT_ALLOWED,
            "this device's certificate was issued on another line; only a station of that line may replace it",
        )
    if claim.replacement_reason in NEW_KEY_REASONS and newest.spki_sha256 == claim.spki_sha256:
        raise Refused(
            reasons.ERROR_REASON_PUBLIC_KEY_TAKEN,
            "a replacement for this reason needs a new key, and the CSR has the old one",
            field="csr",
        )
    if claim.work_order not in (None, first.work_order):
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_MISMATCH,
            "a replacement counts for the work order of the device's first certificate: name that one, or none",
            field="work_order",
        )
    if first.work_order is not None:
        _check_replacement_limit(standing.order(first.work_order))
    return New(newest.generation + 1, newest.serial, first.work_order)


def _check_replacement_limit(order: WorkOrderStand | None) -> None:
    if order and order.replacements >= order.replacement_limit:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_REPLACEMENTS_EXHAUSTED,
            f"work order {order.name}: {order.replacements} of {order.replacement_limit} replacements made; "
            "ask the planner to raise the limit",
            field="work_order",
            metadata={
                "replacement_limit": str(order.replacement_limit),
                "replacements": str(order.replacements),
            },
        )


def _check_order(claim: Claim, name: str, order: WorkOrderStand | None) -> None:
    if order is None:
        raise unknown_order(name, "work_order")
    # Before its state: whom the order is not for learns nothing else of it.
    _check_order_fits(claim, order)
    if not order.open:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_CLOSED,
            f"work order {name} is closed; ask the planner to reopen it",
            field="work_order",
        )
    _check_expected(claim, order)
    if order.issued >= order.quantity:
        raise Refused(
            reasons.ERROR_REASON_WORK_ORDER_EXHAUSTED,
            f"work order {name}: {order.issued} of {order.quantity} issued; ask the planner to raise it",
            field="work_order",
            metadata={"quantity": str(order.quantity), "issued": str(order.issued)},
        )


def _check_order_fits(claim: Claim, order: WorkOrderStand) -> None:
    if order.lines and claim.line not in order.lines:
        problem, field = f"is not for line {claim.line}; ask the planner to add it", "work_order"
    elif order.profile != claim.profile:
        problem, field = f"is not for profile {claim.profile}; ask the planner for an order of that profile", "profile"
    elif not order.patterns.allow(claim.registration_id):
        problem = "has registration-ID patterns, none of which this device's ID matches; ask the planner to add one"
        field = "csr"
    else:
        return
    raise Refused(reasons.ERROR_REASON_WORK_ORDER_NOT_ALLOWED, f"work order {order.name} {problem}", field=field)


def _check_expected(claim: Claim, order: WorkOrderStand) -> None:
    if not order.names_devices:
        return
    if claim.registration_key not in order.expects:
        problem = "does not name this device"
    elif order.expects[claim.registration_key] not in (None, claim.spki_sha256):
        problem = "names another key for this device"
    else:
        return
    raise Refused(
        reasons.ERROR_REASON_DEVICE_NOT_EXPECTED,
        f"work order {order.name} lists its devices and {problem}; ask the planner to add it",
        field="csr",
    )


def _what_differs(newest: Stand, claim: Claim, now: float) -> str:
    """Why the newest certificate of the device is not the answer to `claim`."""
    if newest.record.spki_sha256 != claim.spki_sha256:
        return "for another key"
    if not newest.active(now):
        return "which has expired"
    return "for another line, profile or work order"


def _visible(stand: Stand, claim: Claim) -> dict[str, str]:
    """What the caller may know of a certificate in its way: all of its own, nothing of others'."""
    record = stand.record
    if record.station != claim.station:
        return {}
    issue_time = datetime.fromtimestamp(record.issued_at / 1_000_000, UTC)
    return {
        "serial_number": record.serial.hex(),
        "issue_time": issue_time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
