"""How the studio itself is: versions, processes, queues, database, disk, and what failed in its tasks."""
