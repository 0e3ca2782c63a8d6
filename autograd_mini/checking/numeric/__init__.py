"""Numeric derivatives with error bars, and verdicts on given derivatives.

`lines` evaluates the function along a line. `estimates` combines differences at several steps, and
`noise` measures rounding. `all_entries` estimates and judges all entries at once, with the help of
`perturbations`; `refinement` examines one doubtful entry. `ties` handles equal entries, at kinks
and corners.
"""
