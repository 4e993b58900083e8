"""Who is calling: project keys, client secrets, principals."""
