"""What every bench is made of: real processes, paced load, CPU by role, ratios, tables, plots.

`machine` says where a run was made and whether it can be believed. `processes` starts processes,
talks to them and counts their CPU. `systems` is the seam: the product, the floor and each peer are
one System. `measure` loads them in turn. `results` keeps the figures, `report` writes tables into
the docs, `plots` draws. `client` is the process that holds the watchers of a gRPC system.
"""
