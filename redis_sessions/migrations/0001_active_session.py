"""The name under which the admin knows sessions, with its permissions. No table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """See models.ActiveSession."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="ActiveSession",
            fields=[("id", models.CharField(max_length=14, primary_key=True, serialize=False))],
            options={
                "verbose_name": "active session",
                "verbose_name_plural": "active sessions",
                "permissions": [
                    ("view_session_keys", "Can view names and sizes of a session's keys")
                ],
                "managed": False,
                "default_permissions": ("view", "delete"),
                "base_manager_name": "objects",
            },
        ),
    ]
