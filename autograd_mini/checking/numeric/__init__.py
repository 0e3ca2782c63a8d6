"""Numeric derivatives with error bars, and verdicts on given derivatives.

`lines` evaluates the function along a line. `estimates` combines differences at several steps, and
its `Judge` decides the verdict of an entry; `noise` measures rounding. `all_entries` drives this
for all entries at once, with the help of `perturbations`; `refinement` examines one doubtful entry.
`ties` handles equal entries, at kinks and corners.
"""
