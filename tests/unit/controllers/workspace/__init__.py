"""Tests of unit/controllers/workspace."""
