"""`agentflow up`: everything on this machine, from one command, stopped in order."""
