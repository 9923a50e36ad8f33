"""Typed access to the studio over HTTP."""
