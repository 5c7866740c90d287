"""Tests of unit/controllers."""
