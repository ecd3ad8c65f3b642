"""The operator's screen: a Streamlit process of its own that reads records and evidence, and writes nothing."""
