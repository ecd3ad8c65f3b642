"""Log in and out; for administrators also the audit trail."""

from __future__ import annotations

from dashboard import login, trail

login.show()
trail.show()
