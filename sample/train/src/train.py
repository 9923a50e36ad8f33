"""Train a classifier on a table of flowers; leave the model, its scores and a picture of its mistakes in ./outputs."""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from pathlib import Path

os.environ.setdefault("MPLCONFIGDIR", "/tmp/matplotlib")

import joblib
import matplotlib
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, confusion_matrix, f1_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STEPS_A_ROUND = 2


def main() -> None:
    """Read the table, train round by round, and keep what came out."""
    options = _options()
    features, kinds, columns = read_table(options.data)
    print(f"read {len(kinds)} flowers of {len(set(kinds))} kinds from {options.data.name}: {', '.join(columns)}")
    parts = train_test_split(features, kinds, test_size=0.3, random_state=options.seed, stratify=kinds)
    train_x, test_x, train_y, test_y = parts
    print(f"training on {len(train_y)}, testing on {len(test_y)}")

    scaler = StandardScaler().fit(train_x)
    network = MLPClassifier(hidden_layer_sizes=(16,), learning_rate_init=options.rate, random_state=options.seed)
    for number in range(1, options.rounds + 1):
        for _ in range(STEPS_A_ROUND):
            network.partial_fit(scaler.transform(train_x), train_y, classes=np.unique(kinds))
        score = accuracy_score(test_y, network.predict(scaler.transform(test_x)))
        print(f"round {number:2d} of {options.rounds}   loss {network.loss_:.4f}   test accuracy {score:.3f}", flush=True)
        time.sleep(options.pause)
    model = make_pipeline(scaler, network)

    guessed = model.predict(test_x)
    keep(options.outputs, model, test_y, guessed)


def read_table(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the numbers, the kinds and the names of the columns of a CSV whose last column is the kind."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return np.array([row[:-1] for row in rows], dtype=float), np.array([row[-1] for row in rows]), header[:-1]


def keep(folder: Path, model: Pipeline, truth: np.ndarray, guessed: np.ndarray) -> None:
    """Write model.joblib, metrics.json and confusion_matrix.png."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    metrics = {
        "accuracy": round(float(accuracy_score(truth, guessed)), 4),
        "f1_macro": round(float(f1_score(truth, guessed, average="macro")), 4),
        "tested_on": len(truth),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    figure, axes = plt.subplots(figsize=(5.2, 4.4), dpi=120)
    counts = confusion_matrix(truth, guessed, labels=model.classes_)
    ConfusionMatrixDisplay(counts, display_labels=model.classes_).plot(ax=axes, cmap="Blues", colorbar=False)
    axes.set(title=f"{metrics['accuracy']:.0%} of {len(truth)} right", xlabel="guessed", ylabel="true")
    figure.tight_layout()
    figure.savefig(folder / "confusion_matrix.png")
    print(f"accuracy {metrics['accuracy']:.3f}, f1 {metrics['f1_macro']:.3f}")
    print(f"kept {', '.join(sorted(path.name for path in folder.iterdir()))} in {folder}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the table, a CSV")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.01, help="learning rate")
    parser.add_argument("--pause", type=float, default=0.4, help="seconds to rest after a round, so that there is something to watch")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
