"""Data sets on disk, read without torch: training, audit and evaluation share them."""
