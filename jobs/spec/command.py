"""The command job: one command in one image, on one or several pods."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from jobs.spec import expressions, references
from jobs.spec.kinds import ENOUGH, Check, Kind
from jobs.spec.shapes import (
    Count,
    DataInput,
    Distribution,
    Environment,
    Identity,
    InlineEnvironment,
    Input,
    Labels,
    LiteralInput,
    Output,
    QueueSettings,
    Resources,
    RetrySettings,
    Service,
    Shape,
    Word,
    as_text,
    check_names,
    no_effect,
    problem,
    reference_or_problem,
)

# Linux hands no argument longer than this to a program (MAX_ARG_STRLEN), and the command is one argument of the shell.
COMMAND_BYTES = 131_071
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,254}")
_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,254}")
# The rule that every supported Kubernetes version applies to a container's variables (C_IDENTIFIER with dots, dashes).
_VARIABLE = re.compile(r"[A-Za-z_.\-][A-Za-z0-9_.\-]{0,254}")


class Limits(Shape):
    """How long the command may run, in seconds from its start."""

    timeout: Count | None = None


class CommandJob(Shape):
    """A command job's YAML, as `az ml job create` takes it."""

    schema_: Word | None = Field(default=None, alias="$schema")
    type: Annotated[
        Literal["command"], BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
    ] = "command"
    name: Word | None = None
    display_name: Annotated[Word, Field(max_length=256)] | None = None
    experiment_name: Word | None = None
    description: Word | None = None
    tags: Labels | None = None
    properties: Labels | None = None
    command: Word
    code: Word | None = None
    environment: Environment
    environment_variables: (
        dict[str, Annotated[str, BeforeValidator(lambda value: "" if value is None else as_text(value))]] | None
    ) = None
    inputs: dict[str, Input] | None = None
    outputs: dict[str, Output | None] | None = None
    compute: Word | None = None
    limits: Limits | None = None
    resources: Resources | None = None
    retry_settings: RetrySettings | None = None
    distribution: Distribution | None = None
    services: dict[str, Service] | None = None
    queue_settings: QueueSettings | None = None
    identity: Identity | None = no_effect("a job reads data with the rights of its workspace.")
    parent_job_name: Word | None = no_effect("a job that is submitted by itself has no parent.")

    @field_validator("name")
    @classmethod
    def _name_can_stand_in_an_address(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise problem(
                "spec-name-not-usable",
                f"`{name[:60]}` cannot be the name of a job.",
                "Use up to 255 letters, digits, dashes and underscores, beginning with a letter or a digit.",
            )
        return name

    @field_validator("experiment_name")
    @classmethod
    def _experiment_can_stand_in_an_address(cls, name: str | None) -> str | None:
        if name is not None and not _EXPERIMENT.fullmatch(name):
            raise problem(
                "spec-name-not-usable",
                f"`{name[:60]}` cannot be the name of an experiment.",
                "Use up to 255 letters, digits, dots, dashes and underscores, beginning with a letter or a digit.",
            )
        return name

    @field_validator("command")
    @classmethod
    def _command_can_be_run(cls, command: str) -> str:
        if not command.strip():
            raise problem(
                "spec-field-missing",
                "The command is empty.",
                "Write what to run, for example `command: python train.py`.",
            )
        if "\0" in command or len(command.encode()) > COMMAND_BYTES:
            raise problem(
                "spec-value-not-allowed",
                f"The command is longer than {COMMAND_BYTES // 1024} KiB.",
                "Put it into a script in the code folder and run that.",
            )
        return command

    @field_validator("code")
    @classmethod
    def _code_is_local(cls, code: str | None) -> str | None:
        if code is None:
            return code
        if code.startswith("git+"):
            raise problem(
                "spec-code-remote",
                "Code is not fetched from Git: a job's code is kept with the job, file by file.",
                "Clone the repository, put `code` on its folder and submit from there.",
            )
        if code.startswith(("http://", "https://", "azureml:")):
            raise problem(
                "spec-code-remote", "Code is not fetched from another place.", "Put `code` on a local folder."
            )
        reference_or_problem(references.local_path, code)
        return code

    @field_validator("environment")
    @classmethod
    def _environment_is_named_rightly(cls, environment: str | InlineEnvironment) -> str | InlineEnvironment:
        if isinstance(environment, str):
            reference_or_problem(references.read_environment, environment)
        return environment

    @field_validator("environment_variables")
    @classmethod
    def _variables_have_names(cls, variables: dict[str, str] | None) -> dict[str, str] | None:
        for name, value in (variables or {}).items():
            if not _VARIABLE.fullmatch(name) or name in (".", "..") or "\0" in value:
                raise problem(
                    "spec-name-not-usable",
                    f"`{name[:60]}` cannot be an environment variable.",
                    "Use letters, digits and underscores, beginning with a letter or an underscore.",
                )
        return variables

    @field_validator("inputs", "outputs")
    @classmethod
    def _expressions_can_name_them(cls, named: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if named is None else check_names(named)

    @field_validator("compute")
    @classmethod
    def _compute_is_a_name(cls, compute: str | None) -> str | None:
        if compute is not None:
            reference_or_problem(references.compute_name, compute)
        return compute

    @property
    def compute_name(self) -> str | None:
        """Return the plain name of the compute, without the prefix or the long resource id."""
        return None if self.compute is None else references.compute_name(self.compute)

    @property
    def instance_count(self) -> int:
        """Return how many pods the job asks for."""
        return self.resources.instance_count if self.resources else 1

    @property
    def retries(self) -> int:
        """Return how many further attempts are made when a process fails."""
        return self.retry_settings.max_retries if self.retry_settings else 0

    @property
    def data_inputs(self) -> dict[str, DataInput]:
        """Return the inputs that are files."""
        return {name: value for name, value in (self.inputs or {}).items() if isinstance(value, DataInput)}

    @property
    def literal_inputs(self) -> dict[str, str]:
        """Return the plain values as the text that stands for them in the command, without those that have none."""
        literals = {
            name: literal_text(value) for name, value in (self.inputs or {}).items() if not isinstance(value, DataInput)
        }
        return {name: text for name, text in literals.items() if text is not None}

    @property
    def named_outputs(self) -> dict[str, Output]:
        """Return the outputs, with what an empty one means."""
        return {name: output or Output() for name, output in (self.outputs or {}).items()}


def literal_text(value: Any) -> str | None:
    """Return the text that stands for a plain value, as the original writes it (`True`, `0.1`); None for no value."""
    if isinstance(value, LiteralInput):
        value = value.value
    return None if value is None else str(value)


def resolve_command(job: CommandJob, input_paths: Mapping[str, str], output_paths: Mapping[str, str]) -> str:
    """Return the command with every expression replaced by the plain text of its value, unquoted as in the original.

    `input_paths` has the path of each input that is files, `output_paths` that of each output. Raise `KeyError` with
    the expression for one that has no value; values are put in as they are and never read as expressions.
    """
    literals = job.literal_inputs

    def value(reference: expressions.Reference) -> str | None:
        if reference.space == "inputs":
            return literals[reference.name] if reference.name in literals else input_paths.get(reference.name)
        return output_paths.get(reference.name) if reference.space == "outputs" else None

    return expressions.resolve(job.command, value)


def environment(
    job: CommandJob,
    *,
    name: str,
    workspace: str,
    experiment: str,
    input_paths: Mapping[str, str],
    output_paths: Mapping[str, str],
) -> dict[str, str]:
    """Return the command's environment variables: what the original sets that scripts read, then the job's own."""
    variables = {
        "AZUREML_RUN_ID": name,
        "AZUREML_ROOT_RUN_ID": name,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_EXPERIMENT_NAME": experiment,
    }
    variables |= {f"AZURE_ML_INPUT_{key}": path for key, path in input_paths.items()}
    variables |= {f"AZURE_ML_OUTPUT_{key}": path for key, path in output_paths.items()}
    return variables | (job.environment_variables or {})


def _check(job: CommandJob, check: Check) -> CommandJob:
    """Look at what the fields mean together and to whom they point."""
    _check_expressions(job, check)
    if job.code is not None:
        check.local("code", job.code)
    checked = job
    for name, given in job.data_inputs.items():
        path = ("inputs", name, "path")
        check.needs.update(_needs_of_input(given))
        if given.reference.kind == "local":
            found = check.local_kind(given.path)
            if found == "file" and "type" not in given.model_fields_set:
                # The original takes a missing type for a folder; a file can only have been meant as one.
                given = given.model_copy(update={"type": "uri_file"})
                checked = checked.model_copy(update={"inputs": {**(checked.inputs or {}), name: given}})
            check.local(
                path,
                given.path,
                wanted={"uri_file": "file", "uri_folder": "folder", "mltable": "folder"}.get(given.type),
            )
    _check_environment(job, check)
    for name, output in job.named_outputs.items():
        check.needs.update(_needs_of_output(output))
        if output.path is not None and "${{" in output.path:
            check.refuse(
                "spec-expression-unknown",
                ("outputs", name, "path"),
                "Expressions in an output's path are for pipelines.",
                "Write the path out.",
            )
    if job.distribution is not None:
        check.needs.add(f"distribution.{job.distribution.type}")
    if job.instance_count > 1:
        check.needs.add("multi-node")
    if job.services:
        check.needs.add("services")
    if job.compute_name is not None:
        check.compute("compute", job.compute_name)
    return checked


def _check_expressions(job: CommandJob, check: Check) -> None:
    counts: dict[str, int] = {}
    names = {"inputs": list(job.inputs or ()), "outputs": list(job.outputs or ())}
    valued = {*job.data_inputs, *job.literal_inputs}
    for found, optional in expressions.references(job.command):
        if len(check.issues) >= ENOUGH:
            return
        nth = counts.get(found.text, 0)
        counts[found.text] = nth + 1
        declared = names.get(found.space)
        if declared is None:
            check.refuse_part(
                "spec-expression-unknown",
                ("command",),
                found.text,
                nth,
                f"`{found.text[:80]}` means nothing in a command job.",
                "Use ${{inputs.<name>}} or ${{outputs.<name>}}.",
            )
        elif found.name not in declared and not optional:
            check.refuse_part(
                "spec-expression-unknown",
                ("command",),
                found.text,
                nth,
                f"There is no {found.space[:-1]} `{found.name}`.",
                check.nearest(found.name, declared) or f"Add it under `{found.space}:`.",
            )
        elif found.space == "inputs" and not optional and found.name not in valued:
            check.refuse_part(
                "spec-field-missing",
                ("command",),
                found.text,
                nth,
                f"The input `{found.name}` has no value.",
                f"Give it one under `inputs:`, or write $[[{found.text}]] to leave it out.",
            )
    if (at := expressions.unclosed(job.command)) is not None:
        check.refuse_part(
            "spec-expression-broken",
            ("command",),
            "${{",
            job.command.count("${{", 0, at),
            "An expression is not closed with `}}`.",
            "Close it, or write `$` and `{{` apart if a plain text is meant.",
        )


def _check_environment(job: CommandJob, check: Check) -> None:
    if isinstance(job.environment, str):
        check.needs.add("environment-asset")
        return
    if job.environment.build is not None:
        check.needs.add("environment-build")
        if re.match(r"https?://|git(\+|@|://)", job.environment.build.path):
            check.needs.add("remote-build-context")
        else:
            check.local(("environment", "build", "path"), job.environment.build.path, wanted="folder")
    if job.environment.conda_file is not None:
        check.needs.add("environment-build")
        if isinstance(job.environment.conda_file, str):
            check.local(("environment", "conda_file"), job.environment.conda_file, wanted="file")


_NEEDS_OF_KINDS = {
    "datastore": "datastore",
    "https": "https-input",
    "blob": "blob-input",
    "registry": "registry-asset",
    "job-output": "job-output",
    "run": "job-output",
}


def _needs_of_input(given: DataInput) -> Iterator[str]:
    kind = given.reference.kind
    if kind == "asset":
        yield "model-asset" if given.type.endswith("_model") else "data-asset"
    elif kind != "local":
        yield _NEEDS_OF_KINDS[kind]
    if given.mode == "direct":
        yield "input-mode.direct"
    if given.mode in ("eval_mount", "eval_download"):
        yield "input-mode.eval"


def _needs_of_output(output: Output) -> Iterator[str]:
    if output.path is not None:
        yield "datastore"
    if output.name is not None:
        yield "output-asset"
    if output.mode == "direct":
        yield "output-mode.direct"


KIND = Kind(
    name="job.command",
    title="command job",
    model=CommandJob,
    check=_check,
    read_only=("id", "status", "creation_context", "log_files", "parameters"),
)
