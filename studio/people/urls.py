"""Addresses of Access (people, invitations, workspaces, tokens), of a workspace's members, and of a person's own tokens.

What is no person stands under `-`: every user name has an address of its own below `users/`.
"""

from django.urls import path

from studio.people.views import accepting, bulk, inviting, members, tokens, users, workspaces

app_name = "people"
_ACCESS = "ops/access/"
_USER = f"{_ACCESS}users/<str:username>/"
_W = "w/<slug:workspace>/"

urlpatterns = [
    path(_ACCESS, workspaces.access, name="access"),
    path(f"{_ACCESS}users/", users.user_list, name="users"),
    path(f"{_ACCESS}users/-/new/", users.new, name="user-new"),
    path(f"{_ACCESS}users/-/bulk/", bulk.of_users, name="users-bulk"),
    path(_USER, users.user, name="user"),
    path(f"{_USER}edit/", users.edit, name="user-edit"),
    path(f"{_USER}roles/", users.roles, name="user-roles"),
    path(f"{_USER}workspaces/", users.membership, name="user-workspaces"),
    path(f"{_USER}deactivate/", users.deactivate, name="user-deactivate"),
    path(f"{_USER}reactivate/", users.reactivate, name="user-reactivate"),
    path(f"{_USER}password-link/", users.password_link, name="user-password-link"),
    path(f"{_USER}end-sessions/", users.end_sessions, name="user-end-sessions"),
    path(f"{_USER}second-factor/", users.reset_second_factor, name="user-second-factor"),
    path(f"{_USER}delete/", users.delete, name="user-delete"),
    path(f"{_ACCESS}invitations/", inviting.invitation_list, name="invitations"),
    path(f"{_ACCESS}invitations/new/", inviting.new, name="invitation-new"),
    path(f"{_ACCESS}invitations/bulk/", bulk.of_invitations, name="invitations-bulk"),
    path(f"{_ACCESS}invitations/<int:invitation_id>/withdraw/", inviting.withdraw, name="invitation-withdraw"),
    path(f"{_ACCESS}workspaces/", workspaces.workspace_list, name="workspaces"),
    path(f"{_ACCESS}workspaces/new/", workspaces.new, name="workspace-new"),
    path(f"{_ACCESS}tokens/", tokens.all_tokens, name="all-tokens"),
    path(f"{_ACCESS}tokens/bulk/", bulk.of_tokens, name="tokens-bulk"),
    path(f"{_ACCESS}tokens/<int:token_id>/revoke/", tokens.revoke_any, name="token-revoke-any"),
    path(f"{_W}members/", members.members, name="members"),
    path(f"{_W}members/set/", members.set_member, name="member-set"),
    path(f"{_W}members/remove/", members.remove_member, name="member-remove"),
    path(f"{_W}members/leave/", members.leave, name="leave"),
    path(f"{_W}settings/", members.settings, name="settings"),
    path(f"{_W}settings/archive/", members.archive, name="archive"),
    path(f"{_W}settings/restore/", members.restore, name="restore"),
    path(f"{_W}settings/delete/", members.delete, name="delete"),
    path("accounts/tokens/", tokens.own_tokens, name="tokens"),
    path("accounts/tokens/new/", tokens.new, name="token-new"),
    path("accounts/tokens/bulk/", bulk.of_own_tokens, name="own-tokens-bulk"),
    path("accounts/tokens/<int:token_id>/revoke/", tokens.revoke_own, name="token-revoke"),
    path("accounts/invitation/<str:secret>/", accepting.accept, name="open-invitation"),
]
