"""Problems of who may do what."""

from studio.core.problems import Problem, register

register(
    Problem("workspace-archived", "The workspace is archived", "Nothing changes in {workspace} while it is archived.",
            "An owner brings it back in the workspace's settings.", 409, "owner"),
    Problem("token-scope-needed", "The token may not do this", "This takes a token with the scope {scope}.",
            "Make another token that has it, or sign in yourself.", 403),
)  # fmt: skip
