"""The payloads of Sparkplug B 3.0, as far as an edge node without devices needs them.

The dozen fields of ``org.eclipse.tahu.protobuf.Payload`` that are used here are declared by number and
type (specification 3.0, chapter 6); protobuf itself does the encoding. It is no part of the ordinary
installation, because few lines have a SCADA system that speaks Sparkplug: the extra ``sparkplug``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from inspector.errors import ConfigError

REBIRTH = "Node Control/Rebirth"
BDSEQ = "bdSeq"


class DataType(IntEnum):
    """Numbers of the data types (specification 3.0, 6.4.16)."""

    INT32 = 3
    INT64 = 4
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


_FIELDS = {
    DataType.INT32: ("int_value", 32),
    DataType.INT64: ("long_value", 64),
    DataType.DOUBLE: ("double_value", 0),
    DataType.BOOLEAN: ("boolean_value", 0),
    DataType.STRING: ("string_value", 0),
}
"""Where a value goes, and in how many bits of two's complement if it is a whole number."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A value with its name; None is a value that nobody knows yet."""

    name: str
    datatype: DataType
    value: str | float | bool | None


def require() -> None:
    """Raise :class:`~inspector.errors.ConfigError` when protobuf is not installed."""
    _payload_class()


def encode(metrics: Iterable[Metric], at_ms: int, seq: int | None, *, birth: bool = False) -> bytes:
    """A payload of ``at_ms`` milliseconds since 1970; the data types go into a ``birth`` alone."""
    payload = _payload_class()(timestamp=at_ms)
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        one = payload.metrics.add(name=metric.name, timestamp=at_ms)
        if birth:
            one.datatype = metric.datatype
        if metric.value is None:
            one.is_null = True
            continue
        field, bits = _FIELDS[metric.datatype]
        value = metric.value
        setattr(one, field, int(value) & (1 << bits) - 1 if bits else value)
    return bytes(payload.SerializeToString())


def death(bdseq: int, at_ms: int) -> bytes:
    """The payload of NDEATH: ``bdSeq`` alone, without a sequence number."""
    return encode([Metric(BDSEQ, DataType.INT64, bdseq)], at_ms, None, birth=True)


def asks_for_rebirth(data: bytes) -> bool:
    """Whether an NCMD asks for new births; whatever is no payload does not."""
    from google.protobuf.message import DecodeError

    payload = _payload_class()()
    try:
        payload.ParseFromString(data)
    except DecodeError:
        # Anybody whom the broker lets may send anything.
        return False
    return any(one.name == REBIRTH and one.boolean_value for one in payload.metrics)


@cache
def _payload_class() -> Any:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        # An optional extra, see above.
        raise ConfigError(
            "'sparkplug' needs the package protobuf, which is not installed",
            "Run: pip install '.[sparkplug]', or leave 'sparkplug' out of the configuration",
        ) from error
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="inspector/sparkplug_b.proto", package="org.eclipse.tahu.protobuf", syntax="proto2"
    )
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")

    def declare(message: Any, number: int, name: str, kind: int, **more: Any) -> None:
        message.field.add(
            name=name, number=number, type=kind, **({"label": kinds.LABEL_OPTIONAL} | more)
        )

    declare(metric, 1, "name", kinds.TYPE_STRING)
    declare(metric, 2, "alias", kinds.TYPE_UINT64)
    declare(metric, 3, "timestamp", kinds.TYPE_UINT64)
    declare(metric, 4, "datatype", kinds.TYPE_UINT32)
    declare(metric, 7, "is_null", kinds.TYPE_BOOL)
    declare(metric, 10, "int_value", kinds.TYPE_UINT32, oneof_index=0)
    declare(metric, 11, "long_value", kinds.TYPE_UINT64, oneof_index=0)
    declare(metric, 13, "double_value", kinds.TYPE_DOUBLE, oneof_index=0)
    declare(metric, 14, "boolean_value", kinds.TYPE_BOOL, oneof_index=0)
    declare(metric, 15, "string_value", kinds.TYPE_STRING, oneof_index=0)
    declare(payload, 1, "timestamp", kinds.TYPE_UINT64)
    declare(
        payload,
        2,
        "metrics",
        kinds.TYPE_MESSAGE,
        label=kinds.LABEL_REPEATED,
        type_name=".org.eclipse.tahu.protobuf.Payload.Metric",
    )
    declare(payload, 3, "seq", kinds.TYPE_UINT64)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("org.eclipse.tahu.protobuf.Payload")
    return message_factory.GetMessageClass(found)
