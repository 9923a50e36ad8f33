"""Images for jobs and for the node's own add-ons, made here from Debian and Python packages."""
