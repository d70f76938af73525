import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReplacementReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLACEMENT_REASON_UNSPECIFIED: _ClassVar[ReplacementReason]
    REPLACEMENT_REASON_REWORK: _ClassVar[ReplacementReason]
    REPLACEMENT_REASON_LOST: _ClassVar[ReplacementReason]
    REPLACEMENT_REASON_KEY_COMPROMISE: _ClassVar[ReplacementReason]
    REPLACEMENT_REASON_EXPIRING: _ClassVar[ReplacementReason]
REPLACEMENT_REASON_UNSPECIFIED: ReplacementReason
REPLACEMENT_REASON_REWORK: ReplacementReason
REPLACEMENT_REASON_LOST: ReplacementReason
REPLACEMENT_REASON_KEY_COMPROMISE: ReplacementReason
REPLACEMENT_REASON_EXPIRING: ReplacementReason

class IssuedCertificate(_message.Message):
    __slots__ = ("serial_number", "registration_id", "generation", "station", "line", "request_id", "work_order", "lot", "profile", "attributes", "issuer_certificate_sha256", "not_before", "not_after", "issue_time", "certificate", "certificate_sha256", "public_key_sha256", "csr_sha256", "state", "replaces_serial_number", "replaced_by_serial_number", "replacement_reason", "log_index")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[IssuedCertificate.State]
        STATE_ACTIVE: _ClassVar[IssuedCertificate.State]
        STATE_REPLACED: _ClassVar[IssuedCertificate.State]
        STATE_EXPIRED: _ClassVar[IssuedCertificate.State]
    STATE_UNSPECIFIED: IssuedCertificate.State
    STATE_ACTIVE: IssuedCertificate.State
    STATE_REPLACED: IssuedCertificate.State
    STATE_EXPIRED: IssuedCertificate.State
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ISSUER_CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    ISSUE_TIME_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
    CSR_SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REPLACES_SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_REASON_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    serial_number: str
    registration_id: str
    generation: int
    station: str
    line: str
    request_id: str
    work_order: str
    lot: str
    profile: str
    attributes: _containers.ScalarMap[str, str]
    issuer_certificate_sha256: str
    not_before: _timestamp_pb2.Timestamp
    not_after: _timestamp_pb2.Timestamp
    issue_time: _timestamp_pb2.Timestamp
    certificate: bytes
    certificate_sha256: str
    public_key_sha256: str
    csr_sha256: str
    state: IssuedCertificate.State
    replaces_serial_number: str
    replaced_by_serial_number: str
    replacement_reason: ReplacementReason
    log_index: int
    def __init__(self, serial_number: _Optional[str] = ..., registration_id: _Optional[str] = ..., generation: _Optional[int] = ..., station: _Optional[str] = ..., line: _Optional[str] = ..., request_id: _Optional[str] = ..., work_order: _Optional[str] = ..., lot: _Optional[str] = ..., profile: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., issuer_certificate_sha256: _Optional[str] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., not_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., issue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., certificate: _Optional[bytes] = ..., certificate_sha256: _Optional[str] = ..., public_key_sha256: _Optional[str] = ..., csr_sha256: _Optional[str] = ..., state: _Optional[_Union[IssuedCertificate.State, str]] = ..., replaces_serial_number: _Optional[str] = ..., replaced_by_serial_number: _Optional[str] = ..., replacement_reason: _Optional[_Union[ReplacementReason, str]] = ..., log_index: _Optional[int] = ...) -> None: ...

class IssuerChain(_message.Message):
    __slots__ = ("issuer_certificate_sha256", "intermediates", "root")
    ISSUER_CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    INTERMEDIATES_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    issuer_certificate_sha256: str
    intermediates: _containers.RepeatedScalarFieldContainer[bytes]
    root: bytes
    def __init__(self, issuer_certificate_sha256: _Optional[str] = ..., intermediates: _Optional[_Iterable[bytes]] = ..., root: _Optional[bytes] = ...) -> None: ...
