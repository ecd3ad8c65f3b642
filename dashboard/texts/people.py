"""Texts of logins, roles and the audit trail."""

from __future__ import annotations

LOG_IN = "Log in"
LOGGED_IN = "Logged in as {name}"
LOG_OUT = "Log out"
NAME = "Name"
PASSWORD = "Password"
WRONG = "Name and password do not match."
TOO_OFTEN = "Too many wrong passwords. Wait a minute and try again."
NO_USERS = (
    "There are no users yet. Somebody with access to this computer adds the first one with: {command}"
)
NEEDED_TITLE = "Log in to go on"
NEEDED = "Who does this is written down, so please log in first."
NEEDED_TO_VIEW = "This line shows its pages only to people who are logged in."
ROLE_TITLE = "Not your role"
ROLE_NEEDED = "This takes the role of {needed}; {name} has the role of {role}."
ROLES = {"operator": "operator", "engineer": "engineer", "administrator": "administrator"}
RIGHTS = {
    "operator": "May decide about parts and mark mistakes.",
    "engineer": "May decide about parts, change thresholds, train, promote and roll back.",
    "administrator": "May do all that an engineer may, and read the audit trail.",
}
IDLE = "A login ends by itself after {minutes:g} minutes without use."
NO_LONGER = "You are no longer logged in, or no longer in the same role: nothing was done"
LOG_IN_AGAIN = "Log in again"
ENDED = "The login ended because nothing was done for {minutes:g} minutes."

TRAIL = "Audit trail"
TRAIL_HELP = "Newest first. No line of it can be changed or removed."
TRAIL_EMPTY = "Nothing has been done yet."
TRAIL_ACTION = "Act"
TRAIL_USER = "User"
TRAIL_COLUMNS = {
    "at": "Time",
    "user": "User",
    "role": "Role",
    "action": "Act",
    "subject": "Of",
    "text": "In words",
    "fields": "In full",
}
ACTIONS = {
    "login": "logged in",
    "loginFailed": "login refused",
    "logout": "logged out",
    "decision": "decided",
    "undo": "took back",
    "label": "marked",
    "unlabel": "unmarked",
    "threshold": "changed thresholds",
    "training": "trained",
    "shadow": "shadow run",
    "promotion": "promoted",
    "rollback": "rolled back",
    "challenge": "challenge run",
    "users": "changed users",
}
EXPORT = "Save as CSV"
