"""Web frameworks. Each module imports its framework, and `agentadmit` imports none of them."""
