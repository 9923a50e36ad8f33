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
    Problem("model-version-taken", "The version is taken",
            "{name} is there already with other files; a version never changes.",
            "Leave the version out (the next number is given), or choose another.", 409),
    Problem("model-type-differs", "The model has another type", "{name} holds versions of the type {held}, not {given}.",
            "Leave the type out, or register it under another name.", 409),
    Problem("model-files-missing", "No files were given", "A version needs a folder, a file, or the path of a job's output.",
            "Choose files, or give a path such as azureml://jobs/<job>/outputs/artifacts/paths/outputs/model.", 422),
    Problem("model-files-unknown", "The files are not here", "No tree {digest} has been sent to this workspace.",
            "Send the folder first; `mooring model create` does so by itself.", 422),
    Problem("model-empty", "There are no files", "{text}", "Name a folder or a file that the model consists of.", 422),
    Problem("model-mlmodel-missing", "No MLmodel file", "An MLflow model has a file MLmodel at its top; this folder has {text}.",
            "Name the folder that holds MLmodel, or give the type custom_model.", 422),
    Problem("model-path-not-usable", "A path that cannot be registered", "{text}",
            "Give a local folder, azureml://jobs/<job>/outputs/<output>/paths/<path>, or runs:/<job>/<path>.", 422),
    Problem("model-job-unknown", "No such job", "There is no job named {name} in this workspace.",
            "Take the name from the Jobs page. Files of a job that was deleted can no longer be registered.", 422),
    Problem("model-output-missing", "The job left nothing there", "Job {job} left nothing at {place}.{near}",
            "Look at the job's Outputs for what there is.", 422),
    Problem("model-in-use", "The model is in use", "{name} is used by {users}.",
            "Delete what uses it first, or archive it: archived versions stay for what has them.", 409),
)  # fmt: skip

register(*PROBLEMS, who="contributor")
