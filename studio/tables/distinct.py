"""The different values of a column, by jumping from one to the next in an index: no row is read for its own sake."""

from typing import Any

from django.db import connections
from django.db.models import QuerySet

MOST = 200


def distinct_values(rows: QuerySet[Any], field: str, most: int = MOST) -> list[str]:
    """Return the first `most` values of `field` in order; quick where an index has what `rows` filter by and then `field`."""
    connection = connections[rows.db]
    quote = connection.ops.quote_name
    column = f"{quote(rows.model._meta.db_table)}.{quote(rows.model._meta.get_field(field).column)}"
    bare = rows.select_related(None).order_by(field).values(field)
    first, params = _sql(bare[:1], connection)
    later, later_params = _sql(bare.extra(where=[f"{column} > steps.value"])[:1], connection)
    text = (
        f"WITH RECURSIVE steps(value) AS (SELECT ({first}) UNION ALL "
        f"SELECT ({later}) FROM steps WHERE steps.value IS NOT NULL) SELECT value FROM steps WHERE value IS NOT NULL LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(text, [*params, *later_params, most])
        return [row[0] for row in cursor.fetchall()]


def _sql(rows: Any, connection: Any) -> tuple[str, list[Any]]:
    text, params = rows.query.get_compiler(connection=connection).as_sql()
    return text, list(params)
