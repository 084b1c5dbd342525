"""Assertion rewriting for the conformance suite.

Its failures are shown as those of any test.
"""

import pytest

pytest.register_assert_rewrite("helpers.journal_conformance")
