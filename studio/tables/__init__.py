"""Lists as declarations: columns, filters, search, sorts, bulk actions; one template, one CSV, one API for all of them.

    declared    what a list is, in frozen dataclasses
    asked       what the address asks of it (search, filters, sort, columns, place), and addresses that ask for more
    narrowing   the rows of the database that pass, and counts that stop at 1,000
    keyset      one page of them by key: stable while rows come and go, forward and back
    listed      the same for rows that are in memory
    sheet       CSV
    page        the page: template, live part, CSV, saved views
    operations  the API's list operations
    models, services    columns, density and views that people keep

See docs/contributors/pages.md, "A list". The first two are free of Django.
"""
