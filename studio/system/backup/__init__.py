"""Everything a studio keeps, as one file: database, keys, files by content, logs."""
