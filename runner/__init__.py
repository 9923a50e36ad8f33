"""Run beside and inside the pod of a job: fetch its files, serve its log, put its outputs.

Standard library only, Python 3.8 and later: it must work in any image and in closed networks.
"""

__version__ = "1"
