"""Background work: a child process runs the engine's jobs, a client in the parent follows them.

``protocol``, ``arrays`` and ``folders`` are what both sides share; ``server``, ``context``,
``registry`` and ``jobs`` run in the child (``python -u -m funet.worker``); ``client``, ``handle``,
``child`` and ``transport`` run in the parent. Nothing here imports PyTorch before a job needs it.
"""
