"""The permission `agentadmit.manage_connections`. No table."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Tells Django of the model that carries the permission."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="Connection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "permissions": (
                    ("manage_connections", "Can see and end the connections of all agents"),
                ),
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
