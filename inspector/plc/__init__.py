"""The way to the PLC."""
