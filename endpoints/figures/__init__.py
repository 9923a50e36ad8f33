"""Figures of endpoints: what their routers count, read every ten seconds and kept, finer the younger it is."""
