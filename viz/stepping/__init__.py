"""Forward and backward step by step: what each step adds, frames, the animated picture."""
