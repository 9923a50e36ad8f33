"""Addresses of the pages on jobs.

What is no job stands under `-`: a job's name begins with a letter or a digit, so none can hide another.
"""

from django.urls import path

from jobs.views import actions, code, events, files, listing, logs, models, overview, submitting

app_name = "jobs"
_JOBS = "w/<slug:workspace>/jobs/"
_JOB = f"{_JOBS}<slug:name>/"

urlpatterns = [
    path(_JOBS, listing.job_list, name="list"),
    path(f"{_JOBS}-/new/", submitting.new_job, name="new"),
    path(f"{_JOBS}-/bulk/", actions.bulk, name="bulk"),
    path(_JOB, overview.detail, name="detail"),
    path(f"{_JOB}yaml/", overview.yaml, name="yaml"),
    path(f"{_JOB}log/", logs.log, name="log"),
    path(f"{_JOB}log/<int:process>/<str:file>/bytes", logs.log_bytes, name="log-bytes"),
    path(f"{_JOB}log/<int:process>/<str:file>/times", logs.log_times, name="log-times"),
    path(f"{_JOB}log/<int:process>/<str:file>/download", logs.log_download, name="log-download"),
    path(f"{_JOB}outputs/", files.outputs, name="outputs"),
    path(f"{_JOB}outputs.zip", files.outputs_zip, name="outputs-zip"),
    path(f"{_JOB}outputs/<str:root>/<path:file>", files.output_file, name="output-file"),
    path(f"{_JOB}code/", code.code, name="code"),
    path(f"{_JOB}code.zip", code.code_zip, name="code-zip"),
    path(f"{_JOB}code/<path:file>", code.code_file, name="code-file"),
    path(f"{_JOB}register-model/", models.register_model, name="register-model"),
    path(f"{_JOB}events/", events.events, name="events"),
    path(f"{_JOB}cancel/", actions.cancel, name="cancel"),
    path(f"{_JOB}resubmit/", actions.resubmit, name="resubmit"),
    path(f"{_JOB}delete/", actions.delete, name="delete"),
]
