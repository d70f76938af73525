import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.rpc import status_pb2 as _status_pb2
from linecert.v1 import issuance_pb2 as _issuance_pb2
from linecert.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignDeviceRequest(_message.Message):
    __slots__ = ("request_id", "csr", "registration_id", "profile", "work_order", "lot", "attributes", "validity", "replacement_reason", "validate_only")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_REASON_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    csr: bytes
    registration_id: str
    profile: str
    work_order: str
    lot: str
    attributes: _containers.ScalarMap[str, str]
    validity: _duration_pb2.Duration
    replacement_reason: _issuance_pb2.ReplacementReason
    validate_only: bool
    def __init__(self, request_id: _Optional[str] = ..., csr: _Optional[bytes] = ..., registration_id: _Optional[str] = ..., profile: _Optional[str] = ..., work_order: _Optional[str] = ..., lot: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., validity: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., replacement_reason: _Optional[_Union[_issuance_pb2.ReplacementReason, str]] = ..., validate_only: bool = ...) -> None: ...

class SignDeviceResponse(_message.Message):
    __slots__ = ("issued", "chain", "replayed")
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    issued: _issuance_pb2.IssuedCertificate
    chain: _issuance_pb2.IssuerChain
    replayed: bool
    def __init__(self, issued: _Optional[_Union[_issuance_pb2.IssuedCertificate, _Mapping]] = ..., chain: _Optional[_Union[_issuance_pb2.IssuerChain, _Mapping]] = ..., replayed: bool = ...) -> None: ...

class BatchSignDevicesRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[SignDeviceRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[SignDeviceRequest, _Mapping]]] = ...) -> None: ...

class BatchSignDevicesResponse(_message.Message):
    __slots__ = ("results", "chains")
    class Result(_message.Message):
        __slots__ = ("response", "error")
        RESPONSE_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        response: SignDeviceResponse
        error: _status_pb2.Status
        def __init__(self, response: _Optional[_Union[SignDeviceResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchSignDevicesResponse.Result]
    chains: _containers.RepeatedCompositeFieldContainer[_issuance_pb2.IssuerChain]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchSignDevicesResponse.Result, _Mapping]]] = ..., chains: _Optional[_Iterable[_Union[_issuance_pb2.IssuerChain, _Mapping]]] = ...) -> None: ...

class GetIssuersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetIssuersResponse(_message.Message):
    __slots__ = ("chains", "profiles", "station", "line")
    class Profile(_message.Message):
        __slots__ = ("name", "issuer_certificate_sha256", "validity", "max_validity", "key_types")
        NAME_FIELD_NUMBER: _ClassVar[int]
        ISSUER_CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
        VALIDITY_FIELD_NUMBER: _ClassVar[int]
        MAX_VALIDITY_FIELD_NUMBER: _ClassVar[int]
        KEY_TYPES_FIELD_NUMBER: _ClassVar[int]
        name: str
        issuer_certificate_sha256: str
        validity: _duration_pb2.Duration
        max_validity: _duration_pb2.Duration
        key_types: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, name: _Optional[str] = ..., issuer_certificate_sha256: _Optional[str] = ..., validity: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_validity: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., key_types: _Optional[_Iterable[str]] = ...) -> None: ...
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    chains: _containers.RepeatedCompositeFieldContainer[_issuance_pb2.IssuerChain]
    profiles: _containers.RepeatedCompositeFieldContainer[GetIssuersResponse.Profile]
    station: str
    line: str
    def __init__(self, chains: _Optional[_Iterable[_Union[_issuance_pb2.IssuerChain, _Mapping]]] = ..., profiles: _Optional[_Iterable[_Union[GetIssuersResponse.Profile, _Mapping]]] = ..., station: _Optional[str] = ..., line: _Optional[str] = ...) -> None: ...
