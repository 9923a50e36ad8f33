"""How the figures of the scoring benchmark are made."""

from benchmarks.scoring import OURS, Round, compared, round_of

PRINTED = """Running 1s test @ http://127.0.0.1:1/score
  2 requests in 1.00s

{"requests": 5000, "us": 2000000, "p50_us": 1500, "p99_us": 4250, "not_2xx": 1, "broken": 2}
"""


def rounds(*per_second: float, p99: float = 2.0) -> list[Round]:
    return [Round(each, 1.0, p99, 1) for each in per_second]


def test_the_last_line_of_the_load_generator_is_one_round() -> None:
    assert round_of(PRINTED) == Round(2500.0, 1.5, 4.25, 3)


def test_ours_is_compared_with_the_best_of_the_others_by_medians() -> None:
    found = compared({OURS: rounds(100, 900, 800), "flask": rounds(350, 400, 9000), "mlflow": rounds(300, 300, 300, p99=8.0)})
    assert found["per_second"] == 800
    assert found["best"] == "flask"
    assert found["ratio_to_best"] == 2.0
    assert found["p99_ratio_to_best"] == 1.0
    assert found["others"]["mlflow"] == {"per_second": 300.0, "p50_ms": 1.0, "p99_ms": 8.0, "failed": 3}
