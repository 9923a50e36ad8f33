"""What people are told of: each kind once, with its words, who it is for, and what it does unless they say otherwise."""

from dataclasses import dataclass
from typing import Literal

from studio.core.tones import Tone

Audience = Literal["members", "operators"]


@dataclass(frozen=True)
class Kind:
    """One kind of notice."""

    id: str
    title: str
    tone: Tone
    icon: str
    audience: Audience
    # Whether the browser tells of it, too, once the person has allowed that.
    browser: bool = True


KINDS: dict[str, Kind] = {
    kind.id: kind
    for kind in (
        Kind("job-completed", "A job of yours completed", "good", "circle-check", "members"),
        Kind("job-failed", "A job of yours failed", "wrong", "alert-circle", "members"),
        Kind("deployment-failed", "A deployment of yours failed", "wrong", "alert-circle", "members"),
        Kind("deployment-rolled-back", "A deployment of yours went back by itself", "look", "rotate", "members"),
        Kind("cluster-lost", "A cluster was lost", "wrong", "plug-x", "operators"),
        Kind("cluster-back", "A lost cluster is back", "good", "plug", "operators", browser=False),
        Kind("certificate-ends", "The certificate of a router ends soon", "look", "shield-lock", "operators"),
    )
}
