"""Hostile input: a kept corpus, what is made of it at random, and what people and clusters send to break a reader."""
