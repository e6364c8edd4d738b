"""The shop's first customers and their orders, and somebody who runs it."""

from django.contrib.auth.hashers import make_password
from django.db import migrations

ORDERS = {"alice": ["tea", "bread"], "bob": ["salt"], "root": []}


def fill(apps, _schema_editor):
    """Everybody's password is `NAME's password`."""
    users = apps.get_model("auth", "User").objects
    orders = apps.get_model("shop", "Order").objects
    for name, wanted in ORDERS.items():
        runs_it = name == "root"
        user = users.create(
            username=name,
            password=make_password(f"{name}'s password"),
            is_staff=runs_it,
            is_superuser=runs_it,
        )
        for what in wanted:
            orders.create(customer=user, what=what)


class Migration(migrations.Migration):
    """Fills the tables."""

    dependencies = [("shop", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
