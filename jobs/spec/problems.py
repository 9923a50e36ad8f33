"""What can be wrong with a YAML: (id, title, text, what to do, HTTP status), for the studio's catalogue.

The texts are filled in where the problem is found, because they name the field, the value and the line.
"""

PROBLEMS: tuple[tuple[str, str, str, str, int], ...] = (
    ("spec-too-large", "The YAML is too large", "{text}", "{todo}", 413),
    ("spec-not-yaml", "The text is not valid YAML", "{text}", "{todo}", 422),
    ("spec-empty", "The YAML is empty", "{text}", "{todo}", 422),
    ("spec-several-documents", "Several documents in one YAML", "{text}", "{todo}", 422),
    ("spec-not-a-mapping", "The YAML is not a set of fields", "{text}", "{todo}", 422),
    ("spec-duplicate-key", "A field is given twice", "{text}", "{todo}", 422),
    ("spec-too-deep", "The YAML is nested too deeply", "{text}", "{todo}", 422),
    ("spec-too-many-values", "The YAML unfolds to too much", "{text}", "{todo}", 422),
    ("spec-alias-not-usable", "An alias is not usable", "{text}", "{todo}", 422),
    ("spec-tag-not-allowed", "A YAML tag is not allowed", "{text}", "{todo}", 422),
    ("spec-kind-unknown", "It is not clear what the YAML describes", "{text}", "{todo}", 422),
    ("spec-kind-not-supported", "This kind cannot be submitted yet", "{text}", "{todo}", 422),
    ("spec-field-unknown", "An unknown field", "{text}", "{todo}", 422),
    ("spec-field-missing", "A field is missing", "{text}", "{todo}", 422),
    ("spec-value-wrong-type", "A value of the wrong kind", "{text}", "{todo}", 422),
    ("spec-value-not-allowed", "A value that is not allowed", "{text}", "{todo}", 422),
    ("spec-name-not-usable", "A name that is not usable", "{text}", "{todo}", 422),
    ("spec-reference-not-usable", "A reference that is not usable", "{text}", "{todo}", 422),
    ("spec-path-outside", "A path that is not relative to the YAML", "{text}", "{todo}", 422),
    ("spec-path-not-found", "A file or folder is missing", "{text}", "{todo}", 422),
    ("spec-code-remote", "Code from another place", "{text}", "{todo}", 422),
    ("spec-expression-unknown", "An expression that means nothing here", "{text}", "{todo}", 422),
    ("spec-expression-broken", "An expression that cannot be read", "{text}", "{todo}", 422),
    ("spec-override-not-usable", "A `--set` that is not usable", "{text}", "{todo}", 422),
    ("spec-compute-unknown", "There is no such compute", "{text}", "{todo}", 422),
)

TITLES = {row[0]: row[1] for row in PROBLEMS}
