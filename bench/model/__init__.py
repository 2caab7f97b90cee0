"""What an installation of many watchers needs, reckoned from the figures in `bench/results`.

`costs` has the arithmetic of a server process and of Valkey, and takes its constants from
`bench.scale`. `needs` adds up an installation. The command tells both, and how far the arithmetic
is from what was measured.
"""
