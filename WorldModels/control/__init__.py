"""Controllers and blind policies, the rollout loop, worker processes and evolution."""
