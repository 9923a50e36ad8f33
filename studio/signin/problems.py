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
