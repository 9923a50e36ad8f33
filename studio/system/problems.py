"""What can go wrong with the studio itself."""

from studio.core.problems import Problem, register

register(
    Problem("reseal-key-unknown", "The running studio does not know the newest key",
            "The studio was started before the newest key was put in front: what is sealed with it could not be opened there.",
            "Start the studio again, then run `mooring reseal` once more.", 409, "administrator"),
    Problem("backup-unreadable", "The backup cannot be used", "{file}: {why}.",
            "Nothing was changed. Take another backup, or copy this one again and compare its size with the original's.", 422),
    Problem("backup-newer", "The backup is of a newer version", "It was taken by Mooring {version}, whose database has {what}.",
            "Nothing was changed. Install that version or a newer one, and restore there.", 409),
    Problem("backup-other-database", "The backup is of another kind of database", "It holds {theirs}, and this studio uses {ours}.",
            "Nothing was changed. Set DATABASE_URL to a database of the backup's kind, and restore again.", 409),
    Problem("backup-other-keys", "The backup's secrets cannot be opened here",
            "None of the encryption keys of this studio is one that the backup was made with.",
            "Nothing was changed. Put the keys of the studio that was backed up into MOORING_ENCRYPTION_KEYS, or into the file"
            " keys/encryption_keys of the data folder.", 409),
    Problem("restore-over-data", "There is a studio already", "{folder} or its database holds a studio, or tables of something else.",
            "Give --replace to move what is there aside, or restore into an empty folder with --data.", 409),
    Problem("restore-beside-others", "Something else uses the database", "{count} other connections to the database are open.",
            "Stop every part of the studio on every machine, and restore again.", 409),
    Problem("backup-in-the-way", "There is a file of this name", "{file} is there already.",
            "Nothing was written. Give another name, or remove the file.", 409),
    Problem("backup-failed", "The backup could not be taken", "{why}.",
            "No file was left behind. Mend what is said, and take the backup again.", 500),
    Problem("restore-broken-off", "The restore was broken off", "{why}.",
            "Mend what is said, and run the same command again with --replace. What was there before lies in before-restore-… of the data"
            " folder.", 500),
    who="administrator",
)  # fmt: skip
