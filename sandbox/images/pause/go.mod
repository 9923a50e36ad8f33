module mooring.local/pause

go 1.21
