"""A station under random faults: what it must never do, proven by breaking everything around it."""
