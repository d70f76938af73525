from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.rpc import code_pb2 as _code_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_STATION: _ClassVar[Role]
    ROLE_PLANNER: _ClassVar[Role]
    ROLE_AUDITOR: _ClassVar[Role]
    ROLE_OPERATOR: _ClassVar[Role]

class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_UNSPECIFIED: _ClassVar[Action]
    ACTION_FIX_DEVICE: _ClassVar[Action]
    ACTION_FIX_STATION: _ClassVar[Action]
    ACTION_ASK_PLANNER: _ClassVar[Action]
    ACTION_CALL_OPERATOR: _ClassVar[Action]
    ACTION_RETRY: _ClassVar[Action]
ROLE_UNSPECIFIED: Role
ROLE_STATION: Role
ROLE_PLANNER: Role
ROLE_AUDITOR: Role
ROLE_OPERATOR: Role
ACTION_UNSPECIFIED: Action
ACTION_FIX_DEVICE: Action
ACTION_FIX_STATION: Action
ACTION_ASK_PLANNER: Action
ACTION_CALL_OPERATOR: Action
ACTION_RETRY: Action
ROLES_FIELD_NUMBER: _ClassVar[int]
roles: _descriptor.FieldDescriptor
REFUSAL_FIELD_NUMBER: _ClassVar[int]
refusal: _descriptor.FieldDescriptor

class Refusal(_message.Message):
    __slots__ = ("status", "action")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    status: _code_pb2.Code
    action: Action
    def __init__(self, status: _Optional[_Union[_code_pb2.Code, str]] = ..., action: _Optional[_Union[Action, str]] = ...) -> None: ...
