"""Addresses of models, and of the operators' page on images.

What is no model stands under `-`: a model's name begins with a letter or a digit, so none can hide another.
"""

from django.urls import path

from studio.assets import views
from studio.assets.registry.views import changing, listing, versions

app_name = "assets"
_MODELS = "w/<slug:workspace>/models/"
_MODEL = f"{_MODELS}<str:name>/"
_VERSION = f"{_MODEL}versions/<str:version>/"

urlpatterns = [
    path("ops/images/", views.image_rules, name="image-rules"),
    path("ops/images/<int:rule_id>/delete/", views.delete_image_rule, name="delete-image-rule"),
    path(_MODELS, listing.model_list, name="models"),
    path(f"{_MODELS}-/new/", changing.new, name="model-new"),
    path(_MODEL, listing.model, name="model"),
    path(f"{_MODEL}edit/", changing.edit_model, name="model-edit"),
    path(f"{_MODEL}archive/", changing.archive_model, name="model-archive"),
    path(f"{_MODEL}restore/", changing.restore_model, name="model-restore"),
    path(f"{_MODEL}delete/", changing.delete_model, name="model-delete"),
    path(_VERSION, versions.details, name="model-version"),
    path(f"{_VERSION}files/", versions.files, name="model-files"),
    path(f"{_VERSION}files/<path:file>", versions.model_file, name="model-file"),
    path(f"{_VERSION}files.zip", versions.model_zip, name="model-zip"),
    path(f"{_VERSION}lineage/", versions.lineage, name="model-lineage"),
    path(f"{_VERSION}edit/", changing.edit_version, name="model-version-edit"),
    path(f"{_VERSION}archive/", changing.archive_version, name="model-version-archive"),
    path(f"{_VERSION}restore/", changing.restore_version, name="model-version-restore"),
    path(f"{_VERSION}delete/", changing.delete_version, name="model-version-delete"),
]
