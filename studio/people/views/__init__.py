"""Pages of people, invitations, workspaces and tokens."""
