"""Addresses of the pages on online endpoints."""

from django.urls import URLPattern

app_name = "endpoints"

urlpatterns: list[URLPattern] = []
