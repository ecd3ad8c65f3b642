"""The pages; each is a script that ``app.py`` runs.

The folder is not called ``pages``: until the first session has reached ``st.navigation``, Streamlit runs
the scripts of a folder of that name by themselves, so that a bookmark of ``/parts`` would miss the frame.
"""
