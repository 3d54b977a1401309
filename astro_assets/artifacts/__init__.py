"""Files on disk: the one place that spells a path; manifests, fingerprints, atomic writes, lock.

What does not belong here: what the files mean. A stage makes bytes; this package names them, checks
them, and remembers what they were made from.
"""
