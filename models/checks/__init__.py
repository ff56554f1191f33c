"""What a model is asked so that no score depends on the future or on other sessions."""
