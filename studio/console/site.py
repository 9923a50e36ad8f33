"""The console's site: for administrators alone, signed in by the studio's own page, and nothing there for others."""

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path

from studio.accounts.http import admin_view


class Console(AdminSite):
    """Django's admin without its sign-in, its sign-out, its password form and its log."""

    site_title = site_header = "Mooring admin console"
    index_title = "Rows of the database"
    site_url = "/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Answer 404 to everybody else before Django's admin would offer a sign-in of its own."""
        return admin_view(super().admin_view(view, cacheable))

    def get_urls(self) -> list[URLResolver | URLPattern]:
        urls: list[URLResolver | URLPattern] = [
            path("", self.admin_view(self.index), name="index"),
            path("jsi18n/", self.admin_view(self.i18n_javascript, cacheable=True), name="jsi18n"),
        ]
        for model, shown in self._registry.items():
            app, name = model._meta.app_label, model._meta.model_name
            urls += [
                path(f"{app}/{name}/", self.admin_view(shown.changelist_view), name=f"{app}_{name}_changelist"),
                path(f"{app}/{name}/<path:object_id>/change/", self.admin_view(shown.change_view), name=f"{app}_{name}_change"),
            ]
        for label in sorted({model._meta.app_label for model in self._registry}):
            urls.append(path(f"{label}/", self.admin_view(self.app_index), {"app_label": label}, name="app_list"))
        return urls

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Name the apps as the studio's words have them."""
        found = super().get_app_list(request, app_label)
        for one in found:
            one["name"] = apps.get_app_config(one["app_label"]).verbose_name
        return found


console = Console(name="admin")
