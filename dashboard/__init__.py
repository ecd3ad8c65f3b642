"""The operator's screen: a process of its own that reads records and evidence and writes nothing."""
