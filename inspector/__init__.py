"""Visual inspection of every part on a line: frames in, verdicts out, everything recorded."""

__version__ = "0.1.0"
