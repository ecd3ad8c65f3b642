"""What the station remembers: tables, the thread that fills them, pictures, and queries over both."""
