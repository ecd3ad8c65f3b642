"""The operator's screen: a process of its own that reads records and evidence.

It writes reviews, labels, audit events and requests (:mod:`dashboard.acts`), and nothing else.
"""
