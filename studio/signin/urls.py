"""Signing in, and a person's own account. What allauth has and the studio does not use has no address."""

from allauth.account import views as account
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.webauthn import views as key
from django.contrib.auth.decorators import login_required
from django.urls import path
from django.views.generic import RedirectView

from studio.signin.oidc import views as oidc
from studio.signin.views import account as own
from studio.signin.views import entering, factors, password

urlpatterns = [
    path("login/", entering.SignInView.as_view(), name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("signup/", account.signup, name="account_signup"),
    path("reauthenticate/", login_required(entering.AskAgainView.as_view()), name="account_reauthenticate"),
    path("profile/", own.profile, name="account_profile"),
    path("password/", password.ChangePasswordView.as_view(), name="account_change_password"),
    path("password/set/", password.FirstPasswordView.as_view(), name="account_set_password"),
    path("sessions/", own.list_sessions, name="account_sessions"),
    path("sessions/end-others/", own.end_others, name="account_end_others"),
    path("sessions/<int:session_id>/end/", own.end_session, name="account_end_session"),
    path("oidc/login/", oidc.login, name="oidc_login"),
    path("oidc/callback/", oidc.callback, name="oidc_callback"),
    path("2fa/", factors.SecondFactorView.as_view(), name="mfa_index"),
    path("2fa/authenticate/", entering.SecondStepView.as_view(), name="mfa_authenticate"),
    path("2fa/reauthenticate/", entering.AskForCodeView.as_view(), name="mfa_reauthenticate"),
    path("2fa/totp/activate/", factors.AddAppView.as_view(), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", factors.RemoveAppView.as_view(), name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/generate/", factors.NewCodesView.as_view(), name="mfa_generate_recovery_codes"),
    path("2fa/webauthn/", login_required(RedirectView.as_view(pattern_name="mfa_index")), name="mfa_list_webauthn"),
    path("2fa/webauthn/add/", factors.AddKeyView.as_view(), name="mfa_add_webauthn"),
    path("2fa/webauthn/login/", key.login_webauthn, name="mfa_login_webauthn"),
    path("2fa/webauthn/reauthenticate/", entering.AskForKeyView.as_view(), name="mfa_reauthenticate_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/remove/", factors.RemoveKeyView.as_view(), name="mfa_remove_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/edit/", factors.RenameKeyView.as_view(), name="mfa_edit_webauthn"),
]
