"""Off-policy values of models as policies, and true values in simulated worlds."""
