"""Who drives and how drivers are bred: controllers, random policies, the one rollout loop, workers,
CMA-ES.

Knows no network: a world emits features (or frames), a policy answers with an action.
"""
