"""What people are told about signing in."""

from studio.core.problems import Problem, register

register(
    Problem("sign-in-too-often", "Too many attempts", "Too many attempts failed, or came too fast; none is taken for now.",
            "Wait {wait} and try again. An administrator can give you a new password.", 429),
    Problem("token-wrong-too-often", "Too many wrong tokens", "This address has sent too many tokens that are not right.",
            "Wait {wait}, and correct the token in whatever sends it.", 429),
    Problem("second-factor-needed", "A second factor is needed", "Your role takes a second factor, and your account has none yet.",
            "Sign in with the browser and set one up under Your account, Second factor.", 403),
    Problem("second-factor-none", "No second factor", "{name} has no second factor.", "There is nothing to reset.", 409, "administrator"),
    Problem("password-sign-in-off", "Passwords are switched off", "This studio takes no passwords: people sign in with {provider}.",
            "Use the button on the sign-in page. For the command line make a token on your page and run `mooring login --token -`.", 403),
)  # fmt: skip
register(
    Problem("oidc-unreachable", "The sign-in service does not answer", "{provider} does not answer, or answers something else.",
            "Try again in a minute. An administrator looks at the studio's log and at `MOORING_OIDC_ISSUER`.", 503),
    Problem("oidc-issuer-wrong", "The sign-in service is another one", "{provider} calls itself `{said}`; expected is `{wanted}`.",
            "An administrator sets `MOORING_OIDC_ISSUER` to exactly what the provider calls itself.", 502, "administrator"),
    Problem("oidc-refused", "Not signed in", "{provider} did not let you in: `{said}`.",
            "Try again. If it stays so, ask whoever looks after {provider} whether you may use the studio.", 403),
    Problem("oidc-state-unknown", "This sign-in cannot be finished", "It was begun in another browser, or too long ago.",
            "Begin anew on the sign-in page.", 400),
    Problem("oidc-token-invalid", "What the sign-in service said does not hold", "The token of {provider} is not taken: {why}.",
            "Begin anew on the sign-in page. If it stays so, an administrator compares clocks, issuer and client id.", 400),
    Problem("oidc-account-exists", "There is already an account with your e-mail address",
            "An account of the studio has the address that {provider} gave, and the two are not linked.",
            "Sign in with that account's password, or ask an administrator: `MOORING_OIDC_LINK_BY_EMAIL` links verified addresses.", 409,
            "administrator"),
)  # fmt: skip
