"""What the API keeps: the answers to requests that may come again."""

from django.conf import settings
from django.db import models

from studio.core.secrets import EncryptedTextField


class KeptAnswer(models.Model):
    """The answer to a request with an Idempotency-Key; without a status, the request is still at work."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    # What was asked for: method, address and body. The same key with anything else is a mistake of the program's.
    asked = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    # Sealed: the answer to making a token holds the token.
    body = EncryptedTextField(blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="one_answer_a_key"),)

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
