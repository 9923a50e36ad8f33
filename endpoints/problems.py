"""What can go wrong with an endpoint or a deployment, in words a data scientist can act on."""
