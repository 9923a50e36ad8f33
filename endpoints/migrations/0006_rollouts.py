"""What a deployment's pods were made from is kept, so that nothing but what is asked for replaces them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("endpoints", "0005_replica_logs")]

    operations = [
        migrations.AddField("deployment", "rollouts", models.PositiveIntegerField(default=0)),
        migrations.AddField("deployment", "applied", models.JSONField(default=dict)),
    ]
