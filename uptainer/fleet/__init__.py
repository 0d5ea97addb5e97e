"""What is done with the whole fleet: each module one job, from the store through the domain and back.

Plain functions over a `Database`, called by tasks and by tests alike. No transaction is held open while an engine,
a registry or a scanner is asked.
"""
