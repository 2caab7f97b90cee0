import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Budget(_message.Message):
    __slots__ = ("owner", "user_id", "period", "limit", "inherited", "spent", "reserved", "reset_time", "alert_percents")
    class Period(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PERIOD_UNSPECIFIED: _ClassVar[Budget.Period]
        DAY: _ClassVar[Budget.Period]
        MONTH: _ClassVar[Budget.Period]
    PERIOD_UNSPECIFIED: Budget.Period
    DAY: Budget.Period
    MONTH: Budget.Period
    class Owner(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OWNER_UNSPECIFIED: _ClassVar[Budget.Owner]
        USER: _ClassVar[Budget.Owner]
        EACH_USER: _ClassVar[Budget.Owner]
        INSTALLATION: _ClassVar[Budget.Owner]
    OWNER_UNSPECIFIED: Budget.Owner
    USER: Budget.Owner
    EACH_USER: Budget.Owner
    INSTALLATION: Budget.Owner
    OWNER_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    INHERITED_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    RESET_TIME_FIELD_NUMBER: _ClassVar[int]
    ALERT_PERCENTS_FIELD_NUMBER: _ClassVar[int]
    owner: Budget.Owner
    user_id: str
    period: Budget.Period
    limit: _money_pb2.Money
    inherited: bool
    spent: _money_pb2.Money
    reserved: _money_pb2.Money
    reset_time: _timestamp_pb2.Timestamp
    alert_percents: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, owner: _Optional[_Union[Budget.Owner, str]] = ..., user_id: _Optional[str] = ..., period: _Optional[_Union[Budget.Period, str]] = ..., limit: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., inherited: bool = ..., spent: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., reserved: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., reset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., alert_percents: _Optional[_Iterable[int]] = ...) -> None: ...
