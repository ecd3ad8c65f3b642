"""Cameras: what delivers frames, live or recorded."""
