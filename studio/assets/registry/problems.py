"""What can be wrong with models: their names, versions, files, and references to them."""

from studio.core.problems import Problem, register

PROBLEMS = (
    Problem("model-unknown", "No such model", "There is no model named {name} in this workspace.{near}",
            "Correct the name, or register the model (Models page, `mooring model create`).", 422),
    Problem("model-version-unknown", "No such version", "Model {name} has no version {version}.{near}",
            "Name a version that it has, or azureml:{name}@latest.", 422),
    Problem("model-archived", "The model is archived", "{name} is archived and not to be used any more.",
            "Restore it on its page or with `mooring model restore`, or use another version.", 409),
    Problem("model-reference-invalid", "Not a reference to a model", "{text} names no model.",
            "Write azureml:<name>:<version> or azureml:<name>@latest.", 422),
)  # fmt: skip

register(*PROBLEMS)
