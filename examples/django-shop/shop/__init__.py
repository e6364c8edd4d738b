"""A small shop: customers with passwords, their orders, and a door for their agents."""
