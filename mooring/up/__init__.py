"""`mooring up`: one foreground process that starts the studio's parts, watches them and stops them.

plan.py         which children there are, with which command and environment (pure)
preparation.py  what must hold before anything starts: folders, free addresses, no first start still running
lock.py         one supervisor per data folder
child.py        one child process: start, log lines, readiness, end
supervisor.py   all children: order, restarts with back-off, shutdown
leases.py       frees what a dead worker held in Redis
"""
