"""What `migrate` does: the permission of admins."""
