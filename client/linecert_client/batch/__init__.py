"""What `linecert batch` does: a manifest of devices, checked as a whole, then worked through and resumed at will.

`manifest` says which devices there are, `checks` whether all of it can be right; `run` prepares each on the disk, sends
it and writes what comes back; `failures` keeps what is left to do.
"""
