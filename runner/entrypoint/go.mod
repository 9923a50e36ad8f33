module mooring.dev/entrypoint

go 1.22.0
