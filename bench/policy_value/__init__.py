"""What a log says a policy is worth; in a simulated world, also what it is truly worth."""
