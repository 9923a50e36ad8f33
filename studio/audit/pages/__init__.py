"""What people see of the audit: page, API, export. Above the people, whose roles decide; the log itself stands below."""
