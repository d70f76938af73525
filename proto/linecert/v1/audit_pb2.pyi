import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from linecert.v1 import issuance_pb2 as _issuance_pb2
from linecert.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IssuanceFilter(_message.Message):
    __slots__ = ("registration_id", "registration_id_prefix", "station", "line", "work_order", "lot", "profile", "public_key_sha256", "attributes", "state", "start_time", "end_time", "after_log_index")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_PREFIX_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    AFTER_LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    registration_id: str
    registration_id_prefix: str
    station: str
    line: str
    work_order: str
    lot: str
    profile: str
    public_key_sha256: str
    attributes: _containers.ScalarMap[str, str]
    state: _issuance_pb2.IssuedCertificate.State
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    after_log_index: int
    def __init__(self, registration_id: _Optional[str] = ..., registration_id_prefix: _Optional[str] = ..., station: _Optional[str] = ..., line: _Optional[str] = ..., work_order: _Optional[str] = ..., lot: _Optional[str] = ..., profile: _Optional[str] = ..., public_key_sha256: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., state: _Optional[_Union[_issuance_pb2.IssuedCertificate.State, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., after_log_index: _Optional[int] = ...) -> None: ...

class GetIssuedCertificateRequest(_message.Message):
    __slots__ = ("serial_number", "request", "registration_id")
    class StationRequest(_message.Message):
        __slots__ = ("station", "request_id")
        STATION_FIELD_NUMBER: _ClassVar[int]
        REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
        station: str
        request_id: str
        def __init__(self, station: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    serial_number: str
    request: GetIssuedCertificateRequest.StationRequest
    registration_id: str
    def __init__(self, serial_number: _Optional[str] = ..., request: _Optional[_Union[GetIssuedCertificateRequest.StationRequest, _Mapping]] = ..., registration_id: _Optional[str] = ...) -> None: ...

class GetIssuedCertificateResponse(_message.Message):
    __slots__ = ("issued", "chain")
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    issued: _issuance_pb2.IssuedCertificate
    chain: _issuance_pb2.IssuerChain
    def __init__(self, issued: _Optional[_Union[_issuance_pb2.IssuedCertificate, _Mapping]] = ..., chain: _Optional[_Union[_issuance_pb2.IssuerChain, _Mapping]] = ...) -> None: ...

class ListIssuedCertificatesRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: IssuanceFilter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[IssuanceFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListIssuedCertificatesResponse(_message.Message):
    __slots__ = ("issued", "next_page_token")
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    issued: _containers.RepeatedCompositeFieldContainer[_issuance_pb2.IssuedCertificate]
    next_page_token: str
    def __init__(self, issued: _Optional[_Iterable[_Union[_issuance_pb2.IssuedCertificate, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExportIssuedCertificatesRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: IssuanceFilter
    def __init__(self, filter: _Optional[_Union[IssuanceFilter, _Mapping]] = ...) -> None: ...

class ExportIssuedCertificatesResponse(_message.Message):
    __slots__ = ("issued",)
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    issued: _containers.RepeatedCompositeFieldContainer[_issuance_pb2.IssuedCertificate]
    def __init__(self, issued: _Optional[_Iterable[_Union[_issuance_pb2.IssuedCertificate, _Mapping]]] = ...) -> None: ...

class SummarizeIssuanceRequest(_message.Message):
    __slots__ = ("filter", "bucket", "dimension")
    class Bucket(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BUCKET_UNSPECIFIED: _ClassVar[SummarizeIssuanceRequest.Bucket]
        BUCKET_MINUTE: _ClassVar[SummarizeIssuanceRequest.Bucket]
        BUCKET_HOUR: _ClassVar[SummarizeIssuanceRequest.Bucket]
        BUCKET_DAY: _ClassVar[SummarizeIssuanceRequest.Bucket]
    BUCKET_UNSPECIFIED: SummarizeIssuanceRequest.Bucket
    BUCKET_MINUTE: SummarizeIssuanceRequest.Bucket
    BUCKET_HOUR: SummarizeIssuanceRequest.Bucket
    BUCKET_DAY: SummarizeIssuanceRequest.Bucket
    class Dimension(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DIMENSION_UNSPECIFIED: _ClassVar[SummarizeIssuanceRequest.Dimension]
        DIMENSION_STATION: _ClassVar[SummarizeIssuanceRequest.Dimension]
        DIMENSION_LINE: _ClassVar[SummarizeIssuanceRequest.Dimension]
        DIMENSION_WORK_ORDER: _ClassVar[SummarizeIssuanceRequest.Dimension]
        DIMENSION_PROFILE: _ClassVar[SummarizeIssuanceRequest.Dimension]
    DIMENSION_UNSPECIFIED: SummarizeIssuanceRequest.Dimension
    DIMENSION_STATION: SummarizeIssuanceRequest.Dimension
    DIMENSION_LINE: SummarizeIssuanceRequest.Dimension
    DIMENSION_WORK_ORDER: SummarizeIssuanceRequest.Dimension
    DIMENSION_PROFILE: SummarizeIssuanceRequest.Dimension
    FILTER_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    filter: IssuanceFilter
    bucket: SummarizeIssuanceRequest.Bucket
    dimension: SummarizeIssuanceRequest.Dimension
    def __init__(self, filter: _Optional[_Union[IssuanceFilter, _Mapping]] = ..., bucket: _Optional[_Union[SummarizeIssuanceRequest.Bucket, str]] = ..., dimension: _Optional[_Union[SummarizeIssuanceRequest.Dimension, str]] = ...) -> None: ...

class SummarizeIssuanceResponse(_message.Message):
    __slots__ = ("rows",)
    class Row(_message.Message):
        __slots__ = ("bucket_start", "value", "issued", "replacements", "rejected")
        BUCKET_START_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        ISSUED_FIELD_NUMBER: _ClassVar[int]
        REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
        REJECTED_FIELD_NUMBER: _ClassVar[int]
        bucket_start: _timestamp_pb2.Timestamp
        value: str
        issued: int
        replacements: int
        rejected: int
        def __init__(self, bucket_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., value: _Optional[str] = ..., issued: _Optional[int] = ..., replacements: _Optional[int] = ..., rejected: _Optional[int] = ...) -> None: ...
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[SummarizeIssuanceResponse.Row]
    def __init__(self, rows: _Optional[_Iterable[_Union[SummarizeIssuanceResponse.Row, _Mapping]]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("kinds", "station", "registration_id", "start_time", "end_time", "page_size", "page_token")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    STATION_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    station: str
    registration_id: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, kinds: _Optional[_Iterable[str]] = ..., station: _Optional[str] = ..., registration_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    class Event(_message.Message):
        __slots__ = ("log_index", "kind", "time", "station", "actor", "registration_id", "serial_number", "reason", "detail")
        class DetailEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        TIME_FIELD_NUMBER: _ClassVar[int]
        STATION_FIELD_NUMBER: _ClassVar[int]
        ACTOR_FIELD_NUMBER: _ClassVar[int]
        REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
        SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        DETAIL_FIELD_NUMBER: _ClassVar[int]
        log_index: int
        kind: str
        time: _timestamp_pb2.Timestamp
        station: str
        actor: str
        registration_id: str
        serial_number: str
        reason: str
        detail: _containers.ScalarMap[str, str]
        def __init__(self, log_index: _Optional[int] = ..., kind: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., station: _Optional[str] = ..., actor: _Optional[str] = ..., registration_id: _Optional[str] = ..., serial_number: _Optional[str] = ..., reason: _Optional[str] = ..., detail: _Optional[_Mapping[str, str]] = ...) -> None: ...
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ListEventsResponse.Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[ListEventsResponse.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetLogInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLogInfoResponse(_message.Message):
    __slots__ = ("origin", "verifier_keys")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    VERIFIER_KEYS_FIELD_NUMBER: _ClassVar[int]
    origin: str
    verifier_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, origin: _Optional[str] = ..., verifier_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    def __init__(self, checkpoint: _Optional[str] = ...) -> None: ...

class GetInclusionProofRequest(_message.Message):
    __slots__ = ("serial_number", "log_index", "tree_size")
    SERIAL_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    serial_number: str
    log_index: int
    tree_size: int
    def __init__(self, serial_number: _Optional[str] = ..., log_index: _Optional[int] = ..., tree_size: _Optional[int] = ...) -> None: ...

class GetInclusionProofResponse(_message.Message):
    __slots__ = ("log_index", "tree_size", "hashes", "leaf", "checkpoint")
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    log_index: int
    tree_size: int
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    leaf: bytes
    checkpoint: str
    def __init__(self, log_index: _Optional[int] = ..., tree_size: _Optional[int] = ..., hashes: _Optional[_Iterable[bytes]] = ..., leaf: _Optional[bytes] = ..., checkpoint: _Optional[str] = ...) -> None: ...

class GetConsistencyProofRequest(_message.Message):
    __slots__ = ("from_size", "to_size")
    FROM_SIZE_FIELD_NUMBER: _ClassVar[int]
    TO_SIZE_FIELD_NUMBER: _ClassVar[int]
    from_size: int
    to_size: int
    def __init__(self, from_size: _Optional[int] = ..., to_size: _Optional[int] = ...) -> None: ...

class GetConsistencyProofResponse(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ExportLogRequest(_message.Message):
    __slots__ = ("start_index", "tree_size")
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    start_index: int
    tree_size: int
    def __init__(self, start_index: _Optional[int] = ..., tree_size: _Optional[int] = ...) -> None: ...

class ExportLogResponse(_message.Message):
    __slots__ = ("entries", "checkpoint")
    class Entry(_message.Message):
        __slots__ = ("log_index", "leaf", "certificate")
        LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
        LEAF_FIELD_NUMBER: _ClassVar[int]
        CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
        log_index: int
        leaf: bytes
        certificate: bytes
        def __init__(self, log_index: _Optional[int] = ..., leaf: _Optional[bytes] = ..., certificate: _Optional[bytes] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ExportLogResponse.Entry]
    checkpoint: str
    def __init__(self, entries: _Optional[_Iterable[_Union[ExportLogResponse.Entry, _Mapping]]] = ..., checkpoint: _Optional[str] = ...) -> None: ...
