from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportSpec(_message.Message):
    __slots__ = ("kind", "title", "reporter")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REPORTER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    title: str
    reporter: str
    def __init__(self, kind: _Optional[str] = ..., title: _Optional[str] = ..., reporter: _Optional[str] = ...) -> None: ...

class ReportResult(_message.Message):
    __slots__ = ("data", "preview", "uri")
    DATA_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    data: _struct_pb2.Struct
    preview: str
    uri: str
    def __init__(self, data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., preview: _Optional[str] = ..., uri: _Optional[str] = ...) -> None: ...
