"""The pages; each is a script that ``app.py`` runs."""
