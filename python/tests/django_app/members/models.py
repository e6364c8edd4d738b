from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class Members(BaseUserManager["Member"]):
    def get_by_natural_key(self, username: str | None) -> Member:
        return self.get(user_id=username)


class Member(AbstractBaseUser, PermissionsMixin):
    """A user of the project."""

    user_id = models.CharField(primary_key=True, max_length=128)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects = Members()
    USERNAME_FIELD = "user_id"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    @property
    def user_label(self) -> str:
        return f"{self.user_id} of the shop"
