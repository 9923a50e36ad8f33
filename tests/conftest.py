"""What all tests share: a Redis of their own, plain static files, people of every role, and a studio process."""

import functools
import gc
import importlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import django.test.signals
import django.test.utils
import pytest
import redis
import typer.main
import typer.testing
from django.conf import settings as django_settings
from django.test import Client

from tests import rewriting, template_database
from tests.cluster.extension import tls_router
from tests.fakekube import fakekube
from tests.sharing import put_in_order, scheduler
from tests.studio_process import studio, studio_alone
from tests.surroundings import DATA
from tests.telling import tell

__all__ = ["fakekube", "studio", "studio_alone", "tls_router"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run on another database leave out what asks none."""
    parser.addoption("--of-database", action="store_true", help="only tests that use the database")


def pytest_configure(config: pytest.Config) -> None:
    """Change what of the settings only a built checkout or a single process could have."""
    importlib.import_module("studio.celery")  # tasks bind to the studio's own application

    # Pages render without `collectstatic`: names are not hashed.
    django_settings.STORAGES = {
        **django_settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    # Each test client makes the middleware anew: looking through all files that are served took a third of the tests' time.
    django_settings.WHITENOISE_AUTOREFRESH = True
    database = django_settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        # A file as in production, so that threads of the code see one database, in WAL.
        database.setdefault("TEST", {})["NAME"] = str(DATA / "test.sqlite3")
        template_database.use()
        if getattr(config.option, "numprocesses", None):
            config.add_cleanup(template_database.begin().wait)
    _let_tables_be_emptied()
    django.test.utils.instrumented_test_render = _render
    # The whole tree of verbs would be built for every line that a test types.
    typer.main.get_command = typer.testing._get_command = functools.cache(typer.main.get_command)
    # A studio that is set up knows its runner's image; without one it takes no jobs.
    django_settings.RUNNER_IMAGE = "registry/runner:1"
    # Argon2 takes 50 ms on purpose; tests sign in hundreds of times.
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _render(template: Any, context: Any) -> Any:
    """Render as tests do, but tell of a page as a whole: telling of each part of it copied what all of them know, hundreds of times."""
    if context.template is template:
        django.test.signals.template_rendered.send(sender=template, template=template, context=context)
    return template.nodelist.render(context)


def _let_tables_be_emptied() -> None:
    """Take the audit's guards down where Django empties all tables after a test; its `post_migrate` puts them up again."""
    from django.db import connection

    from studio.audit.guards import DOWN

    flush = type(connection.ops).sql_flush

    def unguarded(self: Any, style: Any, tables: Any, **options: Any) -> list[str]:
        statements: list[str] = flush(self, style, tables, **options)
        return [*DOWN[self.connection.vendor], *statements] if statements else statements

    type(connection.ops).sql_flush = unguarded  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let the processes compile the tests together before each loads all of them."""
    rewriting.share(session.config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in order after pytest-django has sorted them."""
    if config.getoption("--of-database"):
        others = [item for item in items if not _asks_the_database(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _asks_the_database(item)]
    put_in_order(items)


def _asks_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & {"db", "transactional_db"})


def pytest_collection_finish() -> None:
    """Leave all that was loaded out of what is looked through for garbage: it stays until the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Say which tests run in one process."""
    return scheduler(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Iterator[None]:
    """Say after all else what failed, also of that which passed when it was asked once more."""
    yield
    tell(terminalreporter)


@pytest.fixture(scope="session", autouse=True)
def studio_redis() -> Iterator[str]:
    """Run a real Redis on a unix socket for this test process; return its address."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.exit("there is no redis-server on this machine; `make setup` installs it", returncode=2)
    socket = DATA / "run" / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    command += ["--dir", str(DATA / "run"), "--databases", "2", "--daemonize", "no", "--loglevel", "warning"]
    with (DATA / "run" / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"]})
    url = f"unix://{socket}"
    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + 30
    while True:
        try:
            client.ping()
            break
        except redis.RedisError:
            assert process.poll() is None and time.monotonic() < deadline, (DATA / "run" / "redis.log").read_text()
            time.sleep(0.02)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def _emptied(studio_redis: str) -> Iterator[redis.Redis]:
    """Give one connection for all tests: a new one for each took longer than the emptying."""
    with redis.Redis.from_url(studio_redis) as client:
        yield client


@pytest.fixture(autouse=True)
def _fresh_redis(_emptied: redis.Redis) -> None:
    """Empty Redis before each test, so that no test reads what another published."""
    _emptied.flushall()


@dataclass(frozen=True)
class People:
    """One person of every kind, and the workspace `team` that three of them belong to."""

    workspace: Any
    admin: Any
    operator: Any
    owner: Any
    contributor: Any
    reader: Any
    stranger: Any


@pytest.fixture
def people(db: None) -> People:
    """Make one person of every role, and a stranger who belongs to another workspace."""
    from studio.accounts.models import Membership, User, Workspace

    team = Workspace.objects.create(name="team", display_name="Team")
    elsewhere = Workspace.objects.create(name="elsewhere")
    made = {
        "admin": User.objects.create_user("the-admin", is_superuser=True),
        "operator": User.objects.create_user("the-operator", is_operator=True),
    }
    for role in ("owner", "contributor", "reader"):
        made[role] = User.objects.create_user(f"the-{role}")
        Membership.objects.create(user=made[role], workspace=team, role=role)
    made["stranger"] = User.objects.create_user("the-stranger")
    Membership.objects.create(user=made["stranger"], workspace=elsewhere, role="owner")
    return People(workspace=team, **made)


@pytest.fixture
def client_for() -> Callable[..., Client]:
    """Return a function that gives a browserless client signed in as a person, or as nobody."""

    def make(person: Any = None, **options: Any) -> Client:
        client = Client(**options)
        if person is not None:
            client.force_login(person)
        return client

    return make
