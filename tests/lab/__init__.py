"""Real engines for the tests: each comes up private, on loopback or a unix socket, and leaves nothing behind.

`docs/decisions/0001-lab-runs-real-engines.md` says why. Start reading at `room.py`.
"""
