"""ReLU networks as arrays: what they certainly do near a point, and how alike features are."""
