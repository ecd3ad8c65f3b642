"""The pages; each is a script that ``app.py`` runs.

The folder is not called ``pages``: Streamlit runs the scripts of a folder of that name by themselves
until a first session has reached ``st.navigation``, so that a link to ``/parts`` would miss the frame.
"""
