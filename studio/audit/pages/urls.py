"""Addresses of the audit's pages."""

from django.urls import path

from studio.audit.pages import views

app_name = "audit"
urlpatterns = [
    path("ops/audit/", views.whole, name="list"),
    path("w/<slug:workspace>/audit/", views.of_workspace, name="workspace"),
]
