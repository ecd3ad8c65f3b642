"""Until when a certificate is valid, read without a library: an expired one is the usual TLS failure.

With TLS 1.3 a broker that refuses the client's certificate does so after the handshake, so that the
client sees a connection that ends and no reason; the date tells.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def validity(path: Path) -> tuple[datetime, datetime]:
    """``notBefore`` and ``notAfter`` of the first certificate in a PEM file.

    Raises ``OSError`` when it cannot be read and ``ValueError`` when it holds no certificate.
    """
    # an authority's file may have comments in any language beside its certificates
    text = path.read_text(encoding="ascii", errors="replace")
    start, end = text.find(_BEGIN), text.find(_END)
    if start < 0 or end < start:
        raise ValueError(f"{path} holds no certificate")
    der = ssl.PEM_cert_to_DER_cert(text[start : end + len(_END)])
    try:
        # Certificate > TBSCertificate > version?, serial, signature, issuer, validity (RFC 5280, 4.1)
        inner = _children(_children(_children(der)[0][1])[0][1])
        fields = [content for tag, content in inner if tag != _VERSION]
        first, last = (_moment(tag, content) for tag, content in _children(fields[3]))
    except IndexError as error:
        raise ValueError(f"{path} holds no certificate") from error
    return first, last


def complaint(path: Path, now: datetime | None = None) -> str:
    """What is wrong with the dates of a certificate; empty when nothing is, or it cannot be read."""
    now = now or datetime.now(UTC)
    try:
        first, last = validity(path)
    except (OSError, ValueError):
        # Whatever the file is, the TLS library has its own words for it.
        return ""
    if now > last:
        return f"the certificate {path} expired on {last:%Y-%m-%d %H:%M} UTC"
    if now < first:
        return (
            f"the certificate {path} is not valid before {first:%Y-%m-%d %H:%M} UTC: look at the clock"
        )
    return ""


def _children(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of the DER values that lie one after the other in ``data``."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size]), at + size
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _moment(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 50 to 99 are of the last century
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("not a time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
