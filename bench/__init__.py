"""Benchmarks, run by hand: ``python -m bench.refresh``, ``python -m bench.snapshot_memory``.

What does not belong here: tests (nothing here says pass or fail but the figures), and anything the
package imports.
"""
