"""A site under load and under faults, and a model of what each of its sessions must hold."""
