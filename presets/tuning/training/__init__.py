"""Teach a base model something new, with TRL and PEFT, and hand the adapter on."""
