"""Answer which kind each flower is, by the model that sample/train leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import joblib

input_sample = {"data": [[29.4, 14.4, 28.4, 4]]}
output_sample = [{"kind": "brightbell", "probability": 0.98}]


def init() -> None:
    """Load the model once, before there are requests."""
    global model
    model = joblib.load(Path(os.environ["AZUREML_MODEL_DIR"]) / "model.joblib")


def run(raw_data: str) -> list[dict[str, Any]]:
    """Answer a request: rows of petal length and width (mm), length of the stem (cm) and number of leaves."""
    found = model.predict_proba(json.loads(raw_data)["data"])
    return [{"kind": str(model.classes_[row.argmax()]), "probability": round(float(row.max()), 3)} for row in found]
