"""MLflow models without a script: the model's own predict is run()."""

from __future__ import annotations

import importlib
import json
import os
from typing import Any, Callable, Optional

from .ending import Ending
from .settings import Settings

KEYS = ("input_data", "dataframe_split", "dataframe_records", "instances", "inputs")


def load(settings: Settings) -> Callable[[str], Any]:
    """Load the model and give its run(); raise Ending with the reason why there is none."""
    folder = find(settings.model_dir)
    if folder is None:
        where = f"{settings.model_dir} has no MLmodel file" if settings.model_dir else "there is no AZUREML_MODEL_DIR"
        raise Ending("user-script-missing", f"There is no AZUREML_ENTRY_SCRIPT, and {where}: there is nothing to run.")
    try:
        pyfunc = importlib.import_module("mlflow.pyfunc")
    except ImportError as error:
        text = f"The model is an MLflow model without a scoring script, and the image cannot import mlflow: {error}."
        raise Ending("mlflow-missing", text) from None
    from .script import _said

    try:
        model = pyfunc.load_model(folder)
    except BaseException as error:
        raise Ending("user-script-init-failed", _said("The MLflow model could not be loaded:", error)) from None
    return runner(model)


def find(root: Optional[str]) -> Optional[str]:
    """Give the folder with the MLmodel file, at most two folders down."""
    level = [root] if root else []
    for _ in range(3):
        below = []
        for folder in level:
            if os.path.isfile(os.path.join(folder, "MLmodel")):
                return folder
            try:
                below += sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
            except OSError:
                continue
        level = below
    return None


def runner(model: Any) -> Callable[[str], Any]:
    """Give a run() that understands the bodies that MLflow's and the original's servers take."""
    from .raw import RawResponse

    def run(text: str) -> Any:
        try:
            key, data, parameters = read(text)
            given = frame(key, data)
        except (ValueError, TypeError) as error:
            return RawResponse({"id": "request-not-fitting", "message": str(error)}, 400, json_str=True)
        result = model.predict(given, params=parameters) if parameters is not None else model.predict(given)
        # The original's own form gets the bare predictions, MLflow's forms get them under a name.
        return result if key == "input_data" else {"predictions": result}

    return run


def read(text: str) -> Any:
    """Give the form of the body, what it holds and the model's parameters; raise ValueError."""
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("The body is not a JSON object.")
    found = [key for key in KEYS if key in body]
    if len(found) != 1:
        raise ValueError(f"The body has {'more than one' if found else 'none'} of {', '.join(KEYS)}.")
    return found[0], body[found[0]], body.get("params")


def frame(key: str, data: Any) -> Any:
    """Make of a body's content what predict() takes: a table, or arrays."""
    split = key == "dataframe_split" or (key == "input_data" and isinstance(data, dict) and "data" in data)
    rows = isinstance(data, list) and bool(data) and all(isinstance(row, dict) for row in data)
    if split or key == "dataframe_records" or rows:
        pandas = importlib.import_module("pandas")
        if split:
            return pandas.DataFrame(data["data"], columns=data.get("columns"), index=data.get("index"))
        return pandas.DataFrame(data)
    numpy = importlib.import_module("numpy")
    if isinstance(data, dict):
        return {name: numpy.array(each) for name, each in data.items()}
    return numpy.array(data)
