"""What can be wrong with files that somebody sends to the studio."""

from studio.core.problems import Problem, register

PROBLEMS = (
    Problem("archive-unreadable", "The archive cannot be read", "{text}",
            "Make the archive again as .zip, .tar or .tar.gz and send it once more.", 422),
    Problem("archive-kind-unknown", "Not an archive", "{text}",
            "Send a .zip, .tar or .tar.gz, or the files themselves.", 422),
    Problem("archive-path-outside", "A path leads out of the folder", "{text}",
            "Use paths below the folder only: no leading slash, no drive letter, no `..`.", 422),
    Problem("archive-name-not-usable", "A file name is not usable", "{text}",
            "Rename the file: no control characters, no backslash, at most 255 bytes a name.", 422),
    Problem("archive-name-clash", "Two names mean the same file", "{text}",
            "Rename one of them so that they differ by more than upper and lower case or accents' encoding.", 422),
    Problem("archive-link-outside", "A link leads out of the folder", "{text}",
            "Replace the link by the file it points to.", 422),
    Problem("archive-link-unusable", "A link cannot be followed", "{text}",
            "Replace the link by the file or the folder it points to.", 422),
    Problem("archive-special-file", "Not a plain file", "{text}",
            "Leave devices, sockets and pipes out, for example with a line in .amlignore.", 422),
    Problem("archive-too-many-files", "Too many files", "{text}",
            "Leave out what the job does not need with an .amlignore file, or make it an input.", 413),
    Problem("archive-too-large", "Too large", "{text}",
            "Leave out what the job does not need with an .amlignore file, or make it an input.", 413),
    Problem("archive-bomb", "The archive unpacks to far more than it holds", "{text}",
            "Send the files themselves, or an archive that was packed in the usual way.", 422),
    Problem("archive-size-differs", "The archive contradicts itself", "{text}",
            "Make the archive again and send it once more.", 422),
    Problem("ignore-file-not-usable", "An ignore file is not usable", "{text}",
            "Make the file shorter or its patterns simpler.", 422),
    Problem("blob-digest-differs", "The bytes are not the ones announced", "{text}",
            "Send the file again; something changed it on its way.", 422),
    Problem("tree-incomplete", "Files are missing", "{count} files of this folder have not been sent yet.",
            "Send the files whose digests are listed as missing, then the folder again.", 409),
)  # fmt: skip

register(*PROBLEMS, who="contributor")
