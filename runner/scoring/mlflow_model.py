"""MLflow models without a script: the model's own predict is run()."""

from __future__ import annotations

import importlib
import json
import os
from typing import Any, Callable, Dict, Optional

from .ending import Ending
from .settings import Settings

KEYS = ("input_data", "dataframe_split", "dataframe_records", "instances", "inputs")
WRONG_INPUT = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


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

    types = column_types(model)

    def refused(error: BaseException) -> Any:
        return RawResponse({"id": "request-not-fitting", "message": str(error)}, 400, json_str=True)

    def run(text: str) -> Any:
        try:
            key, data, parameters = read(text)
            given = frame(key, data, types)
        except (ValueError, TypeError) as error:
            return refused(error)
        try:
            result = model.predict(given, params=parameters) if parameters is not None else model.predict(given)
        except Exception as error:
            if getattr(error, "error_code", None) in WRONG_INPUT:
                return refused(error)
            raise
        # The original's own form gets the bare predictions, MLflow's forms get them under a name.
        return result if key == "input_data" else {"predictions": result}

    return run


def column_types(model: Any) -> Dict[str, Any]:
    """Give the model's named columns with their types, where its signature names some."""
    try:
        schema = model.metadata.get_input_schema()
        if schema is None or not schema.has_input_names() or schema.is_tensor_spec():
            return {}
        return {column.name: column.type.to_pandas() for column in schema.inputs}
    except Exception:
        return {}  # types such as arrays and objects have no column type: the data is taken as it is


def read(text: str) -> Any:
    """Give the form of the body, what it holds and the model's parameters; raise ValueError."""
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("The body is not a JSON object.")
    found = [key for key in KEYS if key in body]
    if len(found) != 1:
        raise ValueError(f"The body has {'more than one' if found else 'none'} of {', '.join(KEYS)}.")
    return found[0], body[found[0]], body.get("params")


def frame(key: str, data: Any, types: Dict[str, Any]) -> Any:
    """Make of a body's content what predict() takes: a table, or arrays."""
    split = key == "dataframe_split" or (key == "input_data" and isinstance(data, dict) and "data" in data)
    rows = isinstance(data, list) and bool(data)
    named = rows and all(isinstance(row, dict) for row in data)
    unnamed = rows and bool(types) and all(isinstance(row, list) and len(row) == len(types) for row in data)
    columns = isinstance(data, dict) and bool(types)
    if split or key == "dataframe_records" or named or unnamed or columns:
        pandas = importlib.import_module("pandas")
        if split:
            return typed(pandas.DataFrame(data["data"], columns=data.get("columns"), index=data.get("index")), types)
        return typed(pandas.DataFrame(data, columns=list(types)) if unnamed else pandas.DataFrame(data), types)
    numpy = importlib.import_module("numpy")
    if isinstance(data, dict):
        return {name: numpy.array(each) for name, each in data.items()}
    return numpy.array(data)


def typed(table: Any, types: Dict[str, Any]) -> Any:
    """Give the columns the types of the signature: JSON's 1 may stand for 1.0, which MLflow itself would refuse."""
    for name, kind in types.items():
        if name in table.columns:
            try:
                table[name] = table[name].astype(kind)
            except (ValueError, TypeError):
                continue  # the model's own check says what is wrong
    return table
