"""Addresses of what the menus of lists do."""

from django.urls import path

from studio.saved import pages

app_name = "lists"
_SITE = "lists/<slug:table>/"
_SPACE = "w/<slug:workspace>/lists/<slug:table>/"

urlpatterns = [
    path(f"{_SITE}columns/", pages.columns, name="site-columns"),
    path(f"{_SITE}views/", pages.views, name="site-views"),
    path(f"{_SITE}views/<int:view_id>/", pages.view, name="site-view"),
    path(f"{_SPACE}columns/", pages.columns, name="columns"),
    path(f"{_SPACE}views/", pages.views, name="views"),
    path(f"{_SPACE}views/<int:view_id>/", pages.view, name="view"),
]
