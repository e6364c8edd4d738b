"""No tables: connections are the service's. What stands here is the permission of admins."""

from django.db import models


class Connection(models.Model):
    """Carries the permission `agentadmit.manage_connections`, which `migrate` makes."""

    class Meta:
        """It has no rows, so nobody adds, changes or deletes any."""

        app_label = "agentadmit"
        managed = False
        default_permissions = ()
        permissions = (("manage_connections", "Can see and end the connections of all agents"),)
