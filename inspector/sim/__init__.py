"""A simulated line: rendered parts whose truth is known."""
