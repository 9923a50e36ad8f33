"""What a browser calls itself, in words."""

import re

# The first that fits counts: most browsers also claim to be others.
_BROWSERS = (("mooring", "the mooring command"), ("Edg/", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"),
             ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"), ("HeadlessChrome/", "Chrome"), ("Chrome/", "Chrome"),
             ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS = (("Windows", "Windows"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
            ("Mac OS X", "macOS"), ("Linux", "Linux"))  # fmt: skip


def device(user_agent: str) -> str:
    """Return `Firefox on Linux` for what a browser says of itself, or its first word."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or (re.split(r"[ (]", user_agent.strip())[0][:40] or "Unknown device")


def is_phone(user_agent: str) -> bool:
    """Tell whether it is a device for the hand."""
    return any(mark in user_agent for mark in ("iPhone", "iPad", "Android", "Mobile"))
