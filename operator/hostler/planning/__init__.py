"""Pure decisions: what fits where, what is accepted, how a rollout goes. No client, no clock, no environment."""
