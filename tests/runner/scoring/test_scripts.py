"""Scripts as people bring them: raw requests, declared schemas, MLflow models, files beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runner.scoring.server import Server

RAW = """
    from {place}.aml_request import AMLRequest, rawhttp
    from {place}.aml_response import AMLResponse

    def init(): pass

    @rawhttp
    def run(request):
        assert isinstance(request, AMLRequest)
        if request.method == "GET":
            return [request.full_path, request.args, request.headers["x-a"], "X-A" in request.headers]
        if request.get_json(silent=True) is None:
            return AMLResponse(request.get_data()[::-1], 201, headers={{"X-B": "c"}})
        return AMLResponse({{"got": request.json}}, 200)
"""
# What the package inference-schema offers to a server, as far as the server looks.
SCHEMA_UTIL = """
    def is_schema_decorated(run): return hasattr(run, "schema")
    def get_input_schema(run): return {"type": "object", "required": ["data"]}
    def get_output_schema(run): return {"type": "integer"}
"""
DECLARED = """
    import inference_schema.schema_util
    def init(): pass
    def run(data, params=None): return [data, params]
    run.schema = True
"""
PYFUNC = """
    class Model:
        def predict(self, given, params=None):
            return [repr(given), params] if params is not None else repr(given)
    def load_model(folder):
        import os
        assert os.path.isfile(os.path.join(folder, "MLmodel"))
        if "broken" in open(os.path.join(folder, "MLmodel")).read():
            raise OSError("cloudpickle")
        return Model()
"""
PANDAS = "class DataFrame:\n    def __init__(self, *a, **k): self.a = a, k\n    def __repr__(self): return f'table {self.a}'"
NUMPY = "def array(data): return ('array', data)"


@pytest.mark.parametrize("place", ["azureml.contrib.services", "azureml_inference_server_http.api"])
def test_a_run_that_wants_the_request_gets_it(server: Server, place: str) -> None:
    server.start(RAW.format(place=place))
    status, answer, _ = server.request("GET", "/score?a=1", x_a="b")
    assert (status, json.loads(answer)) == (200, ["/score?a=1", {"a": "1"}, "b", True])
    status, answer, headers = server.request("POST", "/score", b"\xff\x00a")
    assert (status, answer, headers["x-b"]) == (201, b"a\x00\xff", "c")
    assert server.score('{"x": 1}') == {"got": {"x": 1}}


def test_packages_of_the_original_that_are_there_stay_in_use(server: Server) -> None:
    server.write("NAME = 'theirs'", "azureml/__init__.py")
    script = (
        "import azureml\nfrom azureml.contrib.services.aml_request import rawhttp\ndef init(): pass\ndef run(raw_data): return azureml.NAME"
    )
    server.start(script)
    assert server.score("a") == "theirs"


def test_a_declared_schema_gives_run_its_arguments(server: Server) -> None:
    server.write("", "inference_schema/__init__.py")
    server.write(SCHEMA_UTIL, "inference_schema/schema_util.py")
    server.start(DECLARED)
    assert server.score('{"data": [1], "params": 2}') == [[1], 2]
    assert server.problem("POST", "/score", "[1]") == (400, "request-not-fitting")
    assert server.problem("POST", "/score", '{"other": 1}') == (400, "request-not-fitting")
    assert server.problem("POST", "/score", "no json") == (400, "request-not-fitting")
    post = json.loads(server.get("/swagger.json")[1])["paths"]["/score"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"]["required"] == ["data"]


def test_a_description_beside_the_script_is_given_as_it_is(server: Server) -> None:
    server.write('{"swagger":   "2.0"}', "swagger.json")
    server.start()
    assert server.get("/swagger.json")[1] == b'{"swagger":   "2.0"}'


def test_a_description_that_cannot_be_used_is_left_out(server: Server) -> None:
    server.write("{", "swagger.json")
    server.start("input_sample = object()\ndef init(): pass\ndef run(raw_data): pass")
    assert "/score" in json.loads(server.get("/swagger.json")[1])["paths"]


def test_a_script_may_have_a_name_that_python_would_not_import(server: Server) -> None:
    for name in ("my-score.py", "json.py"):
        server.write("def init(): pass\ndef run(raw_data): return __name__", name)
    server.start(None, AZUREML_ENTRY_SCRIPT="my-score.py")
    assert server.score("a") == "scoring_script"


def test_what_a_script_pickled_under_its_own_name_is_found_again(server: Server) -> None:
    script = """
        import pickle
        class Model: pass
        def init(): global model; model = pickle.loads(pickle.dumps(Model()))
        def run(raw_data):
            import score
            return type(model) is score.Model
    """
    server.start(script)
    assert server.score("a") is True


def test_a_script_may_use_processes_of_its_own(server: Server) -> None:
    script = """
        import multiprocessing, work
        def init(): pass
        def run(raw_data):
            with multiprocessing.get_context(raw_data).Pool(2) as pool: return pool.map(work.double, [1, 2])
    """
    server.write("def double(a): return 2 * a", "work.py")
    server.start(script, request_timeout_ms=20000)
    assert server.score("fork") == [2, 4]
    assert server.score("spawn") == [2, 4]


@pytest.fixture
def model(server: Server, tmp_path: Path) -> Path:
    """Lay an MLflow model, and small stand-ins for what its image would have."""
    for name, content in (("mlflow/__init__.py", ""), ("mlflow/pyfunc.py", PYFUNC), ("pandas.py", PANDAS), ("numpy.py", NUMPY)):
        server.write(content, name)
    folder = tmp_path / "model" / "sample"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    return folder


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"input_data": {"columns": ["a"], "index": [0], "data": [[1]]}}, "table (([[1]],), {'columns': ['a'], 'index': [0]})"),
        ({"input_data": [[1, 2]]}, "('array', [[1, 2]])"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]]}}, {"predictions": "table (([[1]],), {'columns': ['a'], 'index': None})"}),
        ({"dataframe_records": [{"a": 1}]}, {"predictions": "table (([{'a': 1}],), {})"}),
        ({"inputs": {"x": [1]}}, {"predictions": "{'x': ('array', [1])}"}),
        ({"instances": [1], "params": {"t": 1}}, {"predictions": ["('array', [1])", {"t": 1}]}),
    ],
)
def test_an_mlflow_model_without_a_script_answers(server: Server, model: Path, body: object, answer: object) -> None:
    server.start(None, AZUREML_ENTRY_SCRIPT="None", AZUREML_MODEL_DIR=str(model.parent))
    assert server.score(json.dumps(body)) == answer
    for wrong in ("{}", "[]", "no", '{"inputs": [1], "instances": [2]}', '{"dataframe_split": [1]}'):
        assert server.problem("POST", "/score", wrong) == (400, "request-not-fitting"), wrong


SIGNED = """
    class Wrong(Exception): error_code = "INVALID_PARAMETER_VALUE"
    class Column:
        def __init__(self, name): self.name, self.type = name, self
        def to_pandas(self): return float
    class Schema:
        inputs = [Column("a"), Column("b")]
        def has_input_names(self): return True
        def is_tensor_spec(self): return False
    class Model:
        def __init__(self): self.metadata = self
        def get_input_schema(self): return Schema()
        def predict(self, given):
            if "wrong" in repr(given): raise Wrong("no such column")
            return [repr(given), given.casts]
    def load_model(folder): return Model()
"""
TABLE = """
    class DataFrame:
        def __init__(self, data, columns=None, index=None):
            self.a, self.columns, self.casts = data, columns or ["a"], []
        def __getitem__(self, name):
            table = self
            class One:
                def astype(self, kind): table.casts.append([name, kind.__name__])
            return One()
        def __setitem__(self, name, value): pass
        def __repr__(self): return f'{self.a} {self.columns}'
"""


def test_a_signature_gives_columns_their_names_and_types(server: Server, model: Path) -> None:
    server.write(SIGNED, "mlflow/pyfunc.py")
    server.write(TABLE, "pandas.py")
    server.start(None, AZUREML_ENTRY_SCRIPT="None", AZUREML_MODEL_DIR=str(model.parent))
    casts = [["a", "float"], ["b", "float"]]
    assert server.score('{"input_data": [[1, 2]]}') == ["[[1, 2]] ['a', 'b']", casts]
    assert server.score('{"input_data": {"columns": ["a", "b"], "data": [[1, 2]]}}')[1] == casts
    assert server.score('{"inputs": {"a": [1]}}')["predictions"] == ["{'a': [1]} ['a']", [["a", "float"]]]
    assert server.problem("POST", "/score", '{"input_data": [["wrong", 1]]}') == (400, "request-not-fitting")


def test_an_mlflow_model_that_cannot_be_loaded_is_told(server: Server, model: Path) -> None:
    (model / "MLmodel").write_text("broken")
    server.start(None, wait="", AZUREML_ENTRY_SCRIPT="None", AZUREML_MODEL_DIR=str(model))
    code, told = server.ended()
    assert (code, told["id"]) == (13, "user-script-init-failed")
    assert "OSError: cloudpickle" in told["text"]


def test_an_image_without_mlflow_is_told(server: Server, model: Path) -> None:
    (server.app / "mlflow" / "pyfunc.py").write_text("import no_such_thing")
    server.start(None, wait="", AZUREML_ENTRY_SCRIPT="None", AZUREML_MODEL_DIR=str(model))
    code, told = server.ended()
    assert (code, told["id"]) == (14, "mlflow-missing")
    assert "no_such_thing" in told["text"]
