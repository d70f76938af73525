"""What a planner's files say, and how they compare with what the service issued.

`files` reads the three kinds of file that there are; `comparison` is the work of `linecert work-order report`.
"""
