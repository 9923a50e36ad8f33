"""On PostgreSQL the index of the list by start has its empty values first, as the list asks for them: without, all rows were sorted.

SQLite has them there anyway, and takes no words for it.
"""

from typing import Any

from django.db import migrations

NAME = "jobs_by_start"
FIELDS = "(workspace_id, started_at{nulls}, id)"


def _made(nulls: str) -> Any:
    def change(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX IF EXISTS {NAME}")
            schema_editor.execute(f"CREATE INDEX {NAME} ON jobs_job {FIELDS.format(nulls=nulls)} WHERE deleted_at IS NULL")

    return change


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_object_state_at")]

    operations = [migrations.RunPython(_made(" NULLS FIRST"), _made(""))]
