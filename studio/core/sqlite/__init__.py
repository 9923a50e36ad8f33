"""Django's SQLite, with the threads of a process in a queue before its one lock (`base.py`)."""
