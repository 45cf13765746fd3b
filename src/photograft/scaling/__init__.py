"""Past one machine: the stages of a workflow on a Ray cluster, which the setting `--on ray` chooses."""
