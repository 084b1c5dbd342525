"""Failures of the conformance suite are told as those of any test."""

import pytest

pytest.register_assert_rewrite("journal_conformance")
