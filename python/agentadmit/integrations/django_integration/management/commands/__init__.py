"""`manage.py agentadmit`."""
