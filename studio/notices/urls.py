"""Addresses of notices."""

from django.urls import path

from studio.notices import views

app_name = "notices"
_NOTICES = "notifications/"

urlpatterns = [
    path(_NOTICES, views.notices, name="list"),
    path(_NOTICES + "bell/", views.bell, name="bell"),
    path(_NOTICES + "read/", views.read, name="read"),
    path(_NOTICES + "settings/", views.settings, name="settings"),
    path(_NOTICES + "<int:id>/", views.open_notice, name="open"),
]
