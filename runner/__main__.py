"""Start one of the runner's parts: `python -m runner prepare | serve | probe`."""

import sys


def main(arguments: "list[str]") -> int:
    """Run the part that is named and give its exit code."""
    part, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    # Imported only when wanted: the sidecar lives as long as the job and should stay small.
    if part == "prepare":
        from runner import prepare

        return prepare.main()
    if part == "serve":
        from runner import serve

        return serve.main()
    if part == "probe":
        from runner import probe

        return probe.main(rest)
    print("usage: python -m runner prepare | serve | probe [--url URL | --serve]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
