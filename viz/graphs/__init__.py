"""Graphs: which parts of a graph are drawn, and the views that draw them.

`scopes` and then `outline` choose the parts. `graph_views` lists the views of operations by name
(`COLLECTORS`); `operations` draws the usual one, `scalars` that of 0-d tensors, both with the
`builder`.
"""
