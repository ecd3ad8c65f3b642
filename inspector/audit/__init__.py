"""What is wrong with a data set, gravest first, before anybody trains on it."""

from __future__ import annotations

from inspector.audit.auditing import audit
from inspector.audit.findings import AuditFinding, Gravity, blocking

__all__ = ["AuditFinding", "Gravity", "audit", "blocking"]
