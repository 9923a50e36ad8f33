"""The same client for asyncio: `mooring.AsyncClient`.

`transport`, `content` and `download` are written by hand; the other modules are made from those of `mooring.client` by
`setup/async_client.py`, so that what is asked of the studio is written once. A test holds the two together.
"""
