"""Texts of clusters, made fit to be shown."""


def shortened(text: str, most: int = 300) -> str:
    """Return a text on one line and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
