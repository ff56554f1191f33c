"""Softmax policies on a recurrent user state: options, training, returns."""
