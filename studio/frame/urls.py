"""Addresses of what belongs to the whole studio: home and search."""

from django.urls import path

from studio.frame import guide, home, palette

urlpatterns = [
    path("", home.home, name="home"),
    path("guide/<slug:guide>/", guide.put, name="guide"),
    path("search/", palette.search, name="search"),
    path("ops/", home.operators_home, name="operators-home"),
    path("w/<slug:workspace>/", home.workspace_home, name="workspace-home"),
]
