"""Find, load and initialise the person's scoring script."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Callable, NamedTuple, Optional

from . import raw
from .ending import Ending
from .settings import Settings


class Script(NamedTuple):
    """What requests need of the script."""

    run: Callable[..., Any]
    raw: bool  # run() wants the request itself, not its text
    named: Optional[Callable[[str], Any]]  # makes run()'s named arguments of the text
    module: Optional[ModuleType]
    folder: str


def load(settings: Settings) -> Script:
    """Import the script and call its init(); raise Ending with the reason why it cannot be used."""
    # The zip is on the path first; it must not hide anything of the script's.
    here = os.path.abspath(sys.argv[0])
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    try:
        os.chdir(settings.app_root)
    except OSError as error:
        raise Ending("user-script-missing", f"The folder AML_APP_ROOT={settings.app_root} cannot be entered: {error.strerror}.") from None
    raw.offer()
    if settings.script is None:
        from . import mlflow_model

        sys.path.insert(0, settings.app_root)
        return Script(mlflow_model.load(settings), False, None, None, settings.app_root)
    path = os.path.join(settings.app_root, settings.script)
    if not os.path.isfile(path):
        raise Ending("user-script-missing", f"There is no scoring script {settings.script} below {settings.app_root}.")
    folder = os.path.dirname(path)
    for place in (settings.app_root, folder):
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)
    sys.argv[:] = [path]
    module = _import(path)
    init, run = getattr(module, "init", None), getattr(module, "run", None)
    for name, found in (("init", init), ("run", run)):
        if not callable(found):
            what = "has no function" if found is None else "has something that cannot be called as"
            raise Ending("user-script-function-not-found", f"{settings.script} {what} {name}.")
    assert init is not None and run is not None
    try:
        init()
    except BaseException as error:
        raise Ending("user-script-init-failed", _said("init() raised", error)) from None
    wants_raw = bool(getattr(run, raw.MARK, False))
    return Script(run, wants_raw, None if wants_raw else _named(run), module, folder)


def _import(path: str) -> ModuleType:
    """Import the script under its own name, so that what it pickled under that name is found again."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = stem if stem.isidentifier() and stem not in sys.modules else "scoring_script"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Ending("user-script-import-error", f"{os.path.basename(path)} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        raise Ending("user-script-import-error", _said(f"{os.path.basename(path)} could not be imported:", error)) from None
    return module


def _named(run: Callable[..., Any]) -> Optional[Callable[[str], Any]]:
    """Give what makes arguments for a run() with a declared schema, as the package inference-schema declares it."""
    schemas = sys.modules.get("inference_schema.schema_util")
    decorated = getattr(schemas, "is_schema_decorated", None)
    if decorated is None or not decorated(run):
        return None
    import inspect
    import json

    signature = inspect.signature(run)

    def arguments(text: str) -> Any:
        try:
            given = json.loads(text)
        except ValueError as error:
            raise ValueError(f"The body is not JSON: {error}.") from None
        if not isinstance(given, dict):
            raise ValueError("The body is not a JSON object with the arguments of run().")
        try:
            signature.bind(**given)
        except TypeError as error:
            raise ValueError(f"The body does not have the arguments of run(): {error}.") from None
        return given

    return arguments


def _said(what: str, error: BaseException) -> str:
    """Put the traceback into the log, and give one sentence with the last line of it that is the script's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(("<frozen importlib", os.path.dirname(__file__))):
        trace = trace.tb_next
    sys.stdout.flush()
    sys.stderr.write("".join(traceback.format_exception(type(error), error, trace)))
    sys.stderr.flush()
    last = traceback.extract_tb(trace)
    where = f" ({os.path.basename(last[-1].filename)}, line {last[-1].lineno})" if last else ""
    try:
        said = str(error)
    except Exception:
        said = "(it cannot say what)"
    return f"{what} {type(error).__name__}: {said}{where}".rstrip()
