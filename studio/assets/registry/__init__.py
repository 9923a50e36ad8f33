"""The model registry: names, versions, and the files of each version by content."""
