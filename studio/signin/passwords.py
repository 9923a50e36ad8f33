"""What passwords are taken."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from studio.accounts.models import User
from studio.core.errors import ProblemError


def check_password(password: str, user: User, *, field: str = "password") -> None:
    """Refuse a password that the studio's rules refuse."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ProblemError("password-refused", field=field, why=" ".join(error.messages)) from error
