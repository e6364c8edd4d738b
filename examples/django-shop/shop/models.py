"""What the shop keeps; customers are Django's own users."""

from django.conf import settings
from django.db import models


class Order(models.Model):
    """One order of a customer."""

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    what = models.CharField(max_length=100)
    status = models.CharField(max_length=20, default="open")

    def __str__(self) -> str:
        """How Django's admin calls it."""
        return f"{self.what} for {self.customer}"
