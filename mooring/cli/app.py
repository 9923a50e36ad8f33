"""All commands put together; what needs the network is imported when a command needs it."""

from __future__ import annotations

import typer

<<<<<<< HEAD
from mooring.cli import account, audit, clusters, computes, endpoints, extension, finding, jobs, models, notices, sessions, studio, system
=======
from mooring.cli import account, audit, clusters, computes, endpoints, extension, finding, jobs, models, notices, sessions, studio, views
>>>>>>> 23e2c0a (Saved views by API and command, tests of lists, and a benchmark of the list of jobs)

app = typer.Typer(
    name="mooring",
    help="An ML studio for the Kubernetes you already have.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
<<<<<<< HEAD
for part in (jobs, models, endpoints, computes, clusters, extension, finding, notices, audit, account, sessions, system, studio):
=======
for part in (jobs, models, endpoints, computes, clusters, extension, finding, notices, audit, account, sessions, studio, views):
>>>>>>> 23e2c0a (Saved views by API and command, tests of lists, and a benchmark of the list of jobs)
    part.add_to(app)
