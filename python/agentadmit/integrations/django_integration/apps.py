"""The app of `INSTALLED_APPS`: it brings the checks, the command and the permission."""

from django.apps import AppConfig


class AgentAdmitConfig(AppConfig):
    """`agentadmit.integrations.django_integration` in `INSTALLED_APPS`."""

    name = "agentadmit.integrations.django_integration"
    label = "agentadmit"
    verbose_name = "AgentAdmit"
    default_auto_field = "django.db.models.BigAutoField"
