import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from linecert.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkOrder(_message.Message):
    __slots__ = ("name", "lines", "profile", "quantity", "issued", "replacement_limit", "replacements", "registration_id_patterns", "expected_devices", "state", "open_time", "close_time", "etag")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[WorkOrder.State]
        STATE_OPEN: _ClassVar[WorkOrder.State]
        STATE_CLOSED: _ClassVar[WorkOrder.State]
    STATE_UNSPECIFIED: WorkOrder.State
    STATE_OPEN: WorkOrder.State
    STATE_CLOSED: WorkOrder.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_ID_PATTERNS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_DEVICES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    lines: _containers.RepeatedScalarFieldContainer[str]
    profile: str
    quantity: int
    issued: int
    replacement_limit: int
    replacements: int
    registration_id_patterns: _containers.RepeatedScalarFieldContainer[str]
    expected_devices: int
    state: WorkOrder.State
    open_time: _timestamp_pb2.Timestamp
    close_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., lines: _Optional[_Iterable[str]] = ..., profile: _Optional[str] = ..., quantity: _Optional[int] = ..., issued: _Optional[int] = ..., replacement_limit: _Optional[int] = ..., replacements: _Optional[int] = ..., registration_id_patterns: _Optional[_Iterable[str]] = ..., expected_devices: _Optional[int] = ..., state: _Optional[_Union[WorkOrder.State, str]] = ..., open_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class OpenWorkOrderRequest(_message.Message):
    __slots__ = ("work_order",)
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ...) -> None: ...

class OpenWorkOrderResponse(_message.Message):
    __slots__ = ("work_order",)
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ...) -> None: ...

class UpdateWorkOrderRequest(_message.Message):
    __slots__ = ("work_order", "update_mask")
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateWorkOrderResponse(_message.Message):
    __slots__ = ("work_order",)
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ...) -> None: ...

class CloseWorkOrderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CloseWorkOrderResponse(_message.Message):
    __slots__ = ("work_order",)
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ...) -> None: ...

class ReopenWorkOrderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ReopenWorkOrderResponse(_message.Message):
    __slots__ = ("work_order",)
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ...) -> None: ...

class GetWorkOrderRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetWorkOrderResponse(_message.Message):
    __slots__ = ("work_order",)
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ...) -> None: ...

class ListWorkOrdersRequest(_message.Message):
    __slots__ = ("state", "line", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: WorkOrder.State
    line: str
    page_size: int
    page_token: str
    def __init__(self, state: _Optional[_Union[WorkOrder.State, str]] = ..., line: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWorkOrdersResponse(_message.Message):
    __slots__ = ("work_orders", "next_page_token")
    WORK_ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    work_orders: _containers.RepeatedCompositeFieldContainer[WorkOrder]
    next_page_token: str
    def __init__(self, work_orders: _Optional[_Iterable[_Union[WorkOrder, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ImportExpectedDevicesRequest(_message.Message):
    __slots__ = ("work_order", "devices")
    class Device(_message.Message):
        __slots__ = ("registration_id", "public_key_sha256")
        REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
        PUBLIC_KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
        registration_id: str
        public_key_sha256: str
        def __init__(self, registration_id: _Optional[str] = ..., public_key_sha256: _Optional[str] = ...) -> None: ...
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    work_order: str
    devices: _containers.RepeatedCompositeFieldContainer[ImportExpectedDevicesRequest.Device]
    def __init__(self, work_order: _Optional[str] = ..., devices: _Optional[_Iterable[_Union[ImportExpectedDevicesRequest.Device, _Mapping]]] = ...) -> None: ...

class ImportExpectedDevicesResponse(_message.Message):
    __slots__ = ("work_order", "imported", "already_there")
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    ALREADY_THERE_FIELD_NUMBER: _ClassVar[int]
    work_order: WorkOrder
    imported: int
    already_there: int
    def __init__(self, work_order: _Optional[_Union[WorkOrder, _Mapping]] = ..., imported: _Optional[int] = ..., already_there: _Optional[int] = ...) -> None: ...

class ExportExpectedDevicesRequest(_message.Message):
    __slots__ = ("work_order", "after_registration_id")
    WORK_ORDER_FIELD_NUMBER: _ClassVar[int]
    AFTER_REGISTRATION_ID_FIELD_NUMBER: _ClassVar[int]
    work_order: str
    after_registration_id: str
    def __init__(self, work_order: _Optional[str] = ..., after_registration_id: _Optional[str] = ...) -> None: ...

class ExportExpectedDevicesResponse(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[ImportExpectedDevicesRequest.Device]
    def __init__(self, devices: _Optional[_Iterable[_Union[ImportExpectedDevicesRequest.Device, _Mapping]]] = ...) -> None: ...
