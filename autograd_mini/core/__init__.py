"""The engine: tensors, primitives, recording, and the passes that read a recorded graph."""
