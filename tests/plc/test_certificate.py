"""Dates of certificates, as openssl writes them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspector.plc.certificate import complaint, validity


def made(folder: Path, days: int) -> tuple[Path, datetime]:
    """A certificate of an authority of its own, and when it was made."""
    path = folder / f"{days}.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-subj", "/CN=Werk Nürnberg", "-utf8", "-days", str(days)),
            *("-keyout", folder / "key.pem", "-out", path),
        ],
        check=True,
        capture_output=True,
    )
    return path, datetime.now(UTC)


# from 2050 on a certificate writes its years with four digits
@pytest.mark.parametrize("days", [30, 365 * 40])
def test_validity(tmp_path: Path, days: int) -> None:
    path, now = made(tmp_path, days)
    first, last = validity(path)
    assert abs(first - now) < timedelta(minutes=1)
    assert last - first == timedelta(days=days)


def test_complaints(tmp_path: Path) -> None:
    path, now = made(tmp_path, 30)
    assert complaint(path) == ""
    late = now + timedelta(days=31)
    assert complaint(path, late).startswith(f"the certificate {path} expired on ")
    assert "look at the clock" in complaint(path, now - timedelta(days=1))


def test_what_stands_around_the_first_certificate_does_not_matter(tmp_path: Path) -> None:
    path, _ = made(tmp_path, 30)
    other, _ = made(tmp_path, 60)
    chain = tmp_path / "chain.pem"
    chain.write_text(
        "# Prüfstelle der Werke\n" + path.read_text() + other.read_text(), encoding="utf-8"
    )
    assert validity(chain) == validity(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----END CERTIFICATE----------BEGIN CERTIFICATE-----",
    ],
)
def test_rubbish_is_no_certificate_and_no_complaint(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rubbish.crt"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever words
        validity(path)
    assert complaint(path) == ""
    assert complaint(tmp_path / "absent.crt") == ""
