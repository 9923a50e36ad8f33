"""API operations on people and what they may do."""

from studio.people.api import invitations, me, tokens, users, workspaces

ROUTERS = (me.router, users.router, invitations.router, workspaces.router, tokens.router)
