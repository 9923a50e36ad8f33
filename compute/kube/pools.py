"""Connections of urllib3 that are made only to addresses that may be called."""

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from compute.kube.reach import Reach


def pools_within(reach: Reach) -> dict[str, type[HTTPConnectionPool]]:
    """Return the kinds of pools by scheme; plain HTTP is what a proxy may speak."""

    class Plain(HTTPConnection):
        def _new_conn(self):  # type: ignore[no-untyped-def]
            return _connected(self, super()._new_conn, reach)

    class Encrypted(HTTPSConnection):
        def _new_conn(self):  # type: ignore[no-untyped-def]
            return _connected(self, super()._new_conn, reach)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


def _connected(connection, connect, reach):  # type: ignore[no-untyped-def]
    """Connect to the first address of the name that may be called and answers; the name stays the certificate's."""
    name = connection._dns_host
    try:
        places = reach.places(name, connection.port)
        for place in places[:-1]:
            connection._dns_host = place
            try:
                return connect()
            except (NewConnectionError, ConnectTimeoutError):
                continue
        connection._dns_host = places[-1]
        return connect()
    finally:
        connection._dns_host = name
