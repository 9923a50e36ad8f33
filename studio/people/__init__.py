"""People and what they may do: users, invitations, workspaces with their members, and the tokens of programs."""
