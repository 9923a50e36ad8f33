"""Addresses of the studio's own page."""

from django.urls import path

from studio.system import views

app_name = "system"
urlpatterns = [
    path("ops/system/", views.show, name="show"),
    path("ops/system/failed-tasks/clear/", views.clear_failed, name="clear-failed"),
]
