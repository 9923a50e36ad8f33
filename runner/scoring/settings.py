"""What can be set from outside, by environment variables: docs/contributors/scoring.md lists them."""

from __future__ import annotations

import os
from typing import Callable, Mapping, NamedTuple, Optional, Tuple, TypeVar

from .ending import Ending

Value = TypeVar("Value")


class Settings(NamedTuple):
    """Everything that was set, checked."""

    script: Optional[str]
    app_root: str
    model_dir: Optional[str]
    host: Optional[str]
    port: int
    workers_wanted: int
    workers: int
    max_concurrent: int
    max_queue: int
    max_queue_wait: float
    request_timeout: float
    run_limit: float
    max_body: int
    max_head: int
    max_connections: int
    read_seconds: float
    keep_alive: float
    drain: float
    grace: float
    failed_status: int
    cors: Tuple[str, ...]
    access_log: bool


def read_settings(env: Optional[Mapping[str, str]] = None) -> Settings:
    """Read and check all settings; raise Ending with the first that cannot be understood."""
    env = os.environ if env is None else env

    def number(name: str, default: float, least: float, most: float, kind: Callable[[str], Value]) -> Value:
        given = env.get(name, "").strip()
        try:
            value = kind(given or str(default))
            if not least <= float(value) <= most:  # type: ignore[arg-type]
                raise ValueError
        except ValueError:
            raise Ending("scoring-settings-invalid", f"{name} is {given!r}: it is a number from {least:g} to {most:g}.") from None
        return value

    def ours(name: str, default: float, least: float, most: float) -> int:
        return number("MOORING_SCORING_" + name, default, least, most, int)

    def seconds(name: str, default: float, least: float, most: float) -> float:
        return number("MOORING_SCORING_" + name, default, least, most, float)

    workers = number("WORKER_COUNT", 1, 1, 256, int)
    max_concurrent = ours("MAX_CONCURRENT", workers, 1, 4096)
    request_timeout = ours("REQUEST_TIMEOUT_MS", 5000, 1, 86400000) / 1000
    drain = seconds("DRAIN_SECONDS", 5, 0, 3600)
    failed_status = ours("RUN_FAILED_STATUS", 500, 500, 502)
    if failed_status == 501:
        raise Ending("scoring-settings-invalid", "MOORING_SCORING_RUN_FAILED_STATUS is '501': it is 500 or 502.")
    origins = env.get("MOORING_SCORING_CORS_ORIGINS", "")
    return Settings(
        script=env.get("AZUREML_ENTRY_SCRIPT") or None,
        app_root=os.path.abspath(env.get("AML_APP_ROOT") or os.getcwd()),
        model_dir=env.get("AZUREML_MODEL_DIR") or None,
        host=env.get("MOORING_SCORING_HOST") or None,
        port=ours("PORT", 5001, 0, 65535),
        workers_wanted=workers,
        workers=min(workers, max_concurrent),
        max_concurrent=max_concurrent,
        max_queue=ours("MAX_QUEUE", 1000, 0, 1000000),
        max_queue_wait=ours("MAX_QUEUE_WAIT_MS", 500, 0, 86400000) / 1000,
        request_timeout=request_timeout,
        run_limit=max(seconds("RUN_LIMIT_SECONDS", 300, 0.001, 86400), request_timeout),
        max_body=ours("MAX_BODY_BYTES", 100 << 20, 0, 2 << 30),
        max_head=ours("MAX_HEADER_BYTES", 32 << 10, 1 << 10, 1 << 20),
        max_connections=ours("MAX_CONNECTIONS", 1000, 1, 100000),
        read_seconds=seconds("READ_SECONDS", 30, 0.01, 3600),
        keep_alive=seconds("KEEP_ALIVE_SECONDS", 3900, 0.01, 86400),
        drain=drain,
        grace=max(seconds("GRACE_SECONDS", drain + request_timeout + 5, 0, 86400), drain),
        failed_status=failed_status,
        cors=tuple(origin.strip() for origin in origins.split(",") if origin.strip()),
        access_log=env.get("MOORING_SCORING_ACCESS_LOG", "1").strip().lower() not in ("0", "false", "no", "off"),
    )
