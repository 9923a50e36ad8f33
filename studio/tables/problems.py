"""What can be wrong with views of lists."""

from studio.core.problems import Problem, register

register(
    Problem("view-unknown", "No such view", "There is no view {name} of this list, or it is not shared with you.",
            "See which there are with `mooring view list`, or in the menu Views of the list.", 404),
    Problem("view-name-taken", "View name taken", "There is already a view {name} of this list.",
            "Choose another name, or delete the other view first.", 409),
    Problem("table-unknown", "No such list", "{name} is none of the studio's lists: these are {names}.",
            "Name one of them.", 422),
    who="anyone",
)  # fmt: skip
