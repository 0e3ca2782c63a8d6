"""What is measured: time, memory, and how much a check of gradients sees."""
