"""Names that the studio gives: easy to say, hard to confuse, never to be guessed from one another."""

import secrets

_ADJECTIVES = """amber bold brave bright brisk calm civil clear clever cool coral crisp deep eager early easy even fair
fast fine firm fond frank free fresh gentle glad golden good grand green happy hardy honest jolly keen kind large
late light lively loyal lucid lucky mellow merry mild modest neat noble olive patient plain polite proud pure quick
quiet rapid ready rich ripe round royal rustic sharp silent silver simple sleek smart smooth snug sober soft solid
steady still strong sunny sure sweet swift tall tidy tough true upbeat vivid warm wide wise witty""".split()
_NOUNS = """anchor apple arch atlas bay beacon bell birch boat bridge brook buoy cable canal cape cedar cliff cloud
coast comet compass cove crane creek current delta dock dune eagle ember fern ferry field finch fjord forest garden
glacier grove gull harbor haven hazel heron hill island ivy jetty kayak keel kelp kite lagoon lake lantern lark
leaf lily lotus maple marsh meadow mast moon mountain oak oar ocean olive orchid osprey otter owl palm peak pearl
pebble pier pine plum pond poplar port quay rain raven reed reef ridge river robin rock rope sail salmon sand sea
seal shell shore sky snow spring spruce star stone storm stream sun swan tern tide tulip valley wave willow wind""".split()
# No vowels (no words by accident), nothing that looks like something else.
_LETTERS = "bcdfghjkmnpqrstvwxz23456789"


def new_name() -> str:
    """Return a name such as `calm_otter_8f3k2j1q9z`: 27¹⁰ endings, so that nobody gets the same twice."""
    ending = "".join(secrets.choice(_LETTERS) for _ in range(10))
    return f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_NOUNS)}_{ending}"
