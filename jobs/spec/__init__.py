"""The YAML of jobs: read from strangers, checked, explained, and given back.

Takes the original's command line YAML (CLI v2) as it is. Touches no database, no network and no file: the files beside
a YAML are seen through a `Folder`. Each kind is one module (`command.py`) with a `KIND`, listed in `loading.KINDS`.
"""

from jobs.spec.command import CommandJob, environment, resolve_command
from jobs.spec.errors import SpecError, SpecIssue, SpecWarning
from jobs.spec.kinds import Folder, Known, LocalPath, Paths
from jobs.spec.loading import Loaded, dump, dump_values, json_schema, kind_of, load, load_as, load_values
from jobs.spec.shapes import DataInput, InlineEnvironment, Output

__all__ = [
    "CommandJob",
    "DataInput",
    "Folder",
    "InlineEnvironment",
    "Known",
    "Loaded",
    "LocalPath",
    "Output",
    "Paths",
    "SpecError",
    "SpecIssue",
    "SpecWarning",
    "dump",
    "dump_values",
    "environment",
    "json_schema",
    "kind_of",
    "load",
    "load_as",
    "load_values",
    "resolve_command",
]
