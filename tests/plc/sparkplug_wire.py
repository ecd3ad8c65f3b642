"""Sparkplug B read byte by byte, after the specification's protobuf and without the product's own."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

_VALUES = {10: "int", 11: "long", 12: "float", 13: "double", 14: "boolean", 15: "string"}
INT32, INT64, DOUBLE, BOOLEAN, STRING = 3, 4, 10, 11, 12
REBIRTH = "Node Control/Rebirth"


@dataclass(frozen=True)
class WireMetric:
    """A metric as it was sent; what was left out is None."""

    name: str | None
    timestamp: int | None
    datatype: int | None
    is_null: bool
    kind: str | None
    """The member of the ``value`` union."""
    value: Any


@dataclass(frozen=True)
class WirePayload:
    """A payload as it was sent."""

    timestamp: int | None
    seq: int | None
    metrics: tuple[WireMetric, ...]

    def __getitem__(self, name: str) -> Any:
        (found,) = [metric.value for metric in self.metrics if metric.name == name]
        return found

    @property
    def names(self) -> list[str | None]:
        return [metric.name for metric in self.metrics]


def read(data: bytes) -> WirePayload:
    """Decode a payload; unknown fields are an error."""
    fields = _fields(data)
    assert {number for number, _ in fields} <= {1, 2, 3}
    metrics = tuple(_metric(content) for number, content in fields if number == 2)
    single = {number: content for number, content in fields if number != 2}
    return WirePayload(single.get(1), single.get(3), metrics)


def command(name: str, value: bool, at_ms: int = 1_700_000_000_000) -> bytes:
    """An NCMD that sets a boolean metric."""
    text = name.encode()
    metric = b"\x0a" + _varint(len(text)) + text + b"\x20\x0b" + b"\x70" + _varint(int(value))
    return b"\x08" + _varint(at_ms) + b"\x12" + _varint(len(metric)) + metric


def _metric(data: bytes) -> WireMetric:
    fields = dict(_fields(data))
    kinds = [number for number in fields if number in _VALUES]
    assert len(kinds) <= 1, "the value is a union"
    kind = _VALUES[kinds[0]] if kinds else None
    value = fields[kinds[0]] if kinds else None
    if kind == "double":
        (value,) = struct.unpack("<d", value)
    elif kind == "string":
        value = value.decode()
    elif kind == "boolean":
        value = bool(value)
    name = fields[1].decode() if 1 in fields else None
    return WireMetric(name, fields.get(3), fields.get(4), bool(fields.get(7)), kind, value)


def _fields(data: bytes) -> list[tuple[int, Any]]:
    found, at = [], 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            content, at = _read_varint(data, at)
        elif wire == 1:
            content, at = data[at : at + 8], at + 8
        else:
            assert wire == 2
            length, at = _read_varint(data, at)
            content, at = data[at : at + length], at + length
        found.append((number, content))
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
