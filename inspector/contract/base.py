"""What all payloads have in common: field types, encoding, decoding."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

VERSION = 1
RESULT_LIMIT = 1024
"""Most bytes of a message on ``evt/result``; PLC buffers are small."""
COMMAND_LIMIT = 8192
"""More bytes than any command needs; what is larger is refused unread."""
FINDINGS_LIMIT = 3

UInt32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Text32 = Annotated[str, StringConstraints(max_length=32, pattern=r"^[\x20-\x7e]*$")]
Id32 = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[\x20-\x7e]+$")]
Hash16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Millis = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
PixelBox = tuple[Number, Number, Number, Number]


class Payload(BaseModel):
    """Base of all payloads."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, strict=True
    )
    topic: ClassVar[str]
    qos: ClassVar[int] = 1
    retain: ClassVar[bool] = False

    v: int = Field(default=VERSION, ge=1)

    def encode(self) -> bytes:
        """The message as it is published; absent optional fields are omitted."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse a message; pydantic's ``ValidationError`` when it breaks the contract."""
        return cls.model_validate_json(data)


def is_text32(text: str) -> bool:
    """Whether it is a :data:`Text32`, as labels and recipes must be called."""
    return len(text) <= 32 and text.isascii() and text.isprintable()


def shortened(score: float, *limits: float) -> float:
    """Six significant digits of a score, or all where six would move it across one of ``limits``."""
    short = float(f"{score:.6g}")
    return short if all((short >= one) == (score >= one) for one in limits) else score


def utc_text(moment: datetime) -> str:
    """ISO 8601, UTC, milliseconds: ``2026-03-01T06:15:00.123Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
