"""Networks of dense layers: read from a model, drawn as neurons."""
