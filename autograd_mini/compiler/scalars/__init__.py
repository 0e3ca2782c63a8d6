"""Programs of many scalars: their instructions become few vector operations and matrix products."""
