"""Make data/flowers.csv: measurements of three invented flowers, drawn from normal distributions with a fixed seed.

Run it again to get the same file, or change the numbers below to get another problem to learn.
"""

import csv
import random
from pathlib import Path

SEED = 20
FLOWERS_A_KIND = 120
COLUMNS = ("petal_length_mm", "petal_width_mm", "stem_length_cm", "leaves")
# Mean and spread of each column; brightbell and duskbell overlap on purpose, so that a picture of mistakes has some.
KINDS = {
    "brightbell": ((31.0, 4.0), (12.0, 2.0), (24.0, 4.0), (5.0, 1.2)),
    "duskbell": ((38.0, 4.5), (15.5, 2.2), (28.0, 4.5), (6.0, 1.4)),
    "sandcup": ((22.0, 3.0), (17.0, 2.4), (15.0, 3.0), (8.0, 1.6)),
}


def main() -> None:
    """Write the file beside this one."""
    random.seed(SEED)
    rows = []
    for kind, columns in KINDS.items():
        for _ in range(FLOWERS_A_KIND):
            *lengths, leaves = (max(0.5, random.gauss(mean, spread)) for mean, spread in columns)
            rows.append([*(f"{length:.1f}" for length in lengths), max(1, round(leaves)), kind])
    random.shuffle(rows)
    path = Path(__file__).resolve().parent / "data" / "flowers.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, "kind"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
