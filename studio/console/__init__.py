"""The admin console at /admin/: every row as it lies in the database, for administrators to look at.

Nothing is changed here: changes go through the studio's services, which check, record and tell; each row leads to its page.
"""
