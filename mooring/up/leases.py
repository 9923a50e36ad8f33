"""Free the leases that a dead process held, so that its work is taken over at once and not when they run out.

Run as `python -m mooring.up.leases PID` with REDIS_URL set. A lease is a key `lease:<name>` whose value names its owner
as `<host>:<pid>` with anything after a further colon. It is a process of its own to keep the Redis client out of the
supervisor's memory.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

# Deletes only what still has the value that was read: another process may have taken the lease meanwhile.
_DELETE_IF_STILL = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


def free_leases(url: str, pid: int) -> list[str]:
    """Delete the leases that process `pid` of this host owns; return their names."""
    import redis

    owner = f"{platform.node()}:{pid}"
    freed = []
    with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3, decode_responses=True) as client:
        for key in client.scan_iter("lease:*", count=500):
            value = client.get(key)
            if not isinstance(value, str) or not (value == owner or value.startswith(f"{owner}:")):
                continue
            if client.eval(_DELETE_IF_STILL, 1, key, value):
                freed.append(str(key).removeprefix("lease:"))
    return freed


def main() -> None:
    """Free the leases of the process named on the command line and say which."""
    url = os.environ.get("REDIS_URL") or Path(os.environ["REDIS_URL_FILE"]).read_text(encoding="utf-8").strip()
    freed = free_leases(url, int(sys.argv[1]))
    if freed:
        print("freed the dead process' leases:", ", ".join(sorted(freed)))


if __name__ == "__main__":
    main()
