"""How rows are looked at: read-only, without secrets, and quick however many there are."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from studio.audit.pages.links import OBJECTS
from studio.core.secrets import EncryptedTextField

COUNTED_TO = 10_000
# Beside every encrypted field: what is a secret, or opens something, in another form.
SECRETS = frozenset({"password", "digest", "prefix", "session_epoch"})


class CountedSoFar(Paginator):  # type: ignore[type-arg]
    """Pages of the newest rows: counting a table of millions would take seconds on every page."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list.order_by()[:COUNTED_TO].count())  # type: ignore[attr-defined]


class Looked(admin.ModelAdmin):  # type: ignore[type-arg]
    """One kind of row: its facts, never its secrets, and where the studio shows it."""

    actions = None
    paginator = CountedSoFar
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    sortable_by = ()
    ordering = ("-pk",)
    view_on_site = False
    # Names of keys that are shown as they are: loading each of their rows would be a query a line.
    joined: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without their secrets: what is not read can be shown nowhere."""
        rows = super().get_queryset(request).select_related(*self.joined)
        return rows.defer(*secrets_of(self.model))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        left_out = {*secrets_of(self.model), *self.hidden}
        names = ["in_the_studio", "audit", *(field.name for field in self.model._meta.fields)]
        return [name for name in names if name not in left_out]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_fields(request, obj)

    @admin.display(description="In the studio")
    def in_the_studio(self, row: Model) -> SafeString | str:
        """Lead to the page where the row can be worked with."""
        find = OBJECTS.get(row._meta.model_name or "")
        url = find([str(row.pk)]).get(str(row.pk)) if find else None
        return format_html('<a href="{}">{}</a>', url, url) if url else "–"

    @admin.display(description="Audit")
    def audit(self, row: Model) -> SafeString:
        """Lead to what people did to it."""
        query = {"kind": row._meta.model_name, "object": str(getattr(row, "name", row))}
        return format_html('<a href="{}">What people did to it</a>', reverse("audit:list", query=query))


def secrets_of(model: type[Model]) -> list[str]:
    """Return the fields of a model that are never shown."""
    fields = [field for field in model._meta.fields if not isinstance(field, ForeignKey)]
    return [field.name for field in fields if isinstance(field, EncryptedTextField) or field.name in SECRETS]
