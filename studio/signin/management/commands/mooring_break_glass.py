"""The way in that is left when the OpenID provider does not answer, or an administrator's second factor is lost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studio.accounts.models import User
from studio.core.errors import ProblemError
from studio.signin.breakglass import give_leave


class Command(BaseCommand):
    help = "Give an administrator a new password and leave to sign in with it for a while, also where passwords are switched off."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default="admin")
        parser.add_argument("--minutes", type=int, default=60)
        parser.add_argument("--reset-second-factor", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        name, minutes = options["username"], max(1, min(options["minutes"], 24 * 60))
        try:
            password = give_leave(name, minutes=minutes, without_second_factor=options["reset_second_factor"])
        except ProblemError as error:
            administrators = User.objects.filter(is_superuser=True, is_active=True).order_by("username")
            there = ", ".join(administrators.values_list("username", flat=True)[:20]) or "none"
            raise CommandError(f"There is no active administrator named {name}; there are: {there}.") from error
        self.stdout.write(f"Administrator: {name}   Password: {password}   (shown this once, taken for {minutes} minutes)")
