"""Addresses of the operators' page on images."""

from django.urls import path

from studio.assets import views

app_name = "assets"
urlpatterns = [
    path("ops/images/", views.image_rules, name="image-rules"),
    path("ops/images/<int:rule_id>/delete/", views.delete_image_rule, name="delete-image-rule"),
]
