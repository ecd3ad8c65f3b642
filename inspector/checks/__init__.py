"""Checks: each turns the pictures of a part into findings."""
