"""Read a pod of a deployment. Pure: dictionaries in, values out."""
