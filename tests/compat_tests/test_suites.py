"""How the reports of other projects' test runners are read, and how outcomes are judged (`compat_tests.suites`)."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from compat_tests.suites import expectations, kgo, librdkafka, pytests
from compat_tests.suites.catalog import SUITES
from compat_tests.suites.install import INSTALLERS
from compat_tests.suites.schema_registry import Schemas, schema_registry
from compat_tests.suites.suite import FAILED, PASSED, SKIPPED, Outcome
from compat_tests.suites.table import SuiteResult, totals

TABLE = """
struct test tests[] = {
    _TEST(0000_unittests,
          TEST_F_LOCAL,
          .extra = "x"),
    _TEST(0001_multiobj, 0),
    _TEST(0018_cgrp_term, 0, TEST_BRKVER(0, 9, 0, 0)),
    _TEST(0022_consume_batch, 0),
    _TEST(0022_consume_batch_local, TEST_F_LOCAL),
    _TEST(0028_long_topicnames, TEST_F_KNOWN_ISSUE, TEST_BRKVER(0, 9, 0, 0)),
    _TEST(0170_share_consumer_subscription, 0),
    _TEST(0107_recreate, 0, TEST_BRKVER_TOPIC_ADMINAPI,
          .scenario = "noautocreate"),
    _TEST(8000_idle, TEST_F_MANUAL),
    {NULL}};
    _TEST(0009_later, 0),
"""

RUNNER = """
\x1b[36m[0045_a                     /  0.000s] ================= Running test 0045_a =================
\x1b[36m[0045_a                     /  2.500s] 0045_a: duration 2500.500ms
\x1b[36m[0045_a                     /  2.500s] \x1b[32m================= Test 0045_a PASSED =================\x1b[0m
[0045_b                     /  0.000s] ================= Running test 0045_b =================
### Test "0045_b (part:7)" failed at 0045.c:97:await() at Sat Nov 21 17:47:46 2026: ###
Test assertion failed: "x": why
[0045_c                     /  0.000s] ================= Running test 0045_c =================
\x1b[33m[0045_c                     /  0.000s] WARN: SKIPPING TEST: needs SASL
\x1b[36m[0045_c                     /  0.000s] ================= Test 0045_c SKIPPED =================
[0045_d                     /  0.000s] ================= Running test 0045_d =================
"""

GO = """
=== RUN   TestPing
=== PAUSE TestPing
=== RUN   TestSkip
    a_test.go:7: not here
    a_test.go:8: another line
--- SKIP: TestSkip (0.00s)
=== CONT  TestPing
--- PASS: TestPing (1.25s)
=== RUN   TestGroup
=== RUN   TestGroup/range
--- FAIL: TestGroup (2.00s)
    --- PASS: TestGroup/range (2.00s)
=== RUN   TestHangs
"""

JUNIT = """<testsuites><testsuite>
<testcase classname="test.integration.test_a" name="test_ok[gzip x]" time="0.5"/>
<testcase classname="test.integration.test_a" name="test_bad" time="1">
  <failure message="assert 1&#10;more">x</failure></testcase>
<testcase classname="test.integration.test_a" name="test_bad" time="0"><error message="teardown">x</error></testcase>
<testcase classname="test.integration.test_a" name="test_no" time="0"><skipped message="not here"/></testcase>
</testsuite></testsuites>"""


def test_librdkafkas_tests_that_need_a_broker() -> None:
    assert librdkafka.numbers(TABLE, "classic", "default") == ["0001", "0018", "0022", "0170"]
    assert librdkafka.numbers(TABLE, "consumer", "default") == ["0001", "0018", "0022"]
    assert librdkafka.numbers(TABLE, "classic", "noautocreate") == ["0107"]


def test_what_librdkafkas_runner_says() -> None:
    assert list(librdkafka.outcomes(RUNNER, "0045", 134, 9.0)) == [
        Outcome("0045_a", PASSED, 2.5005),
        Outcome("0045_b", FAILED, 9.0, '0045.c:97:await() Test assertion failed: "x": why'),
        Outcome("0045_c", SKIPPED, 9.0, "needs SASL"),
        Outcome("0045_d", FAILED, 9.0, "the process ended with status 134"),
    ]
    (_, _, _, unfinished) = librdkafka.outcomes(RUNNER, "0045", None, 9.0)
    assert unfinished.text == "not ended after 9 s"
    assert list(librdkafka.outcomes(RUNNER, "0046", 0, 9.0)) == []


def test_what_go_says() -> None:
    assert sorted(kgo.outcomes(GO, 900.0)) == [
        Outcome("TestGroup", FAILED, 2.0),
        Outcome("TestGroup/range", PASSED, 2.0),
        Outcome("TestHangs", FAILED, 900.0, "did not end"),
        Outcome("TestPing", PASSED, 1.25),
        Outcome("TestSkip", SKIPPED, 0.0, "not here"),
    ]


def test_what_pytest_says() -> None:
    assert list(pytests.outcomes(JUNIT)) == [
        Outcome("test_a::test_ok[gzip_x]", PASSED, 0.5),
        Outcome("test_a::test_bad", FAILED, 1.0, "assert 1"),
        Outcome("test_a::test_no", SKIPPED, 0.0, "not here"),
    ]


def test_every_change_is_a_surprise() -> None:
    expected = expectations.parse("# why\na  n/a: no\n\nb later: SASL\nc  either: luck\ngone gap: yes\n")
    outcomes = [
        Outcome("a", SKIPPED, 0),
        Outcome("b", PASSED, 0),
        Outcome("c", FAILED, 0),
        Outcome("d", FAILED, 0, "x"),
    ]
    found = expectations.surprises(outcomes, expected, whole=False)
    assert found == [
        "b: passed, but is listed as later: SASL",
        "d: FAILED, and not expected to be. x",
    ]
    assert expectations.surprises(outcomes, expected, whole=True) == [*found, "gone: listed, but did not run"]
    assert expectations.surprises([], {}, whole=True) == ["no test ran at all"]
    result = SuiteResult("s", outcomes, expected, found, 9.6)
    assert totals(result) == "s: 1 of 4 passed, 2 failed, 1 skipped, 2 unexplained; 10 s"


@pytest.mark.parametrize("line", ["a", "a later", "a later:", "a soon: x", "a later x", "b later: again"])
def test_a_line_without_a_reason_is_refused(line: str) -> None:
    with pytest.raises(expectations.BadLineError, match="line 2"):
        expectations.parse(f"b n/a: x\n{line}")


def test_every_suite_can_be_installed_and_judged() -> None:
    for suite in SUITES:
        expectations.load(suite.name)
        assert set(suite.installers) <= INSTALLERS.keys()
    assert len({suite.name for suite in SUITES}) == len(SUITES)


def test_the_registry_numbers_schemas_and_hands_them_out_again() -> None:
    schemas = Schemas()
    first = schemas.register("a-value", {"schema": "{}", "references": []})
    assert first == {"subject": "a-value", "version": 1, "id": 1, "schema": "{}"}
    assert schemas.register("a-value", {"schema": '"int"', "schemaType": "JSON"})["version"] == 2
    assert schemas.register("b-value", {"schema": "{}"}) == {**first, "subject": "b-value"}
    assert schemas.by_number(2) == {"schema": '"int"', "schemaType": "JSON"}
    assert schemas.look_up("a-value", {"schema": "{}"}) == first
    for call in (
        lambda: schemas.by_number(3),
        lambda: schemas.look_up("c-value", {"schema": "{}"}),
        lambda: schemas.look_up("b-value", {"schema": '"int"', "schemaType": "JSON"}),
    ):
        with pytest.raises(LookupError):
            call()


def test_the_registry_speaks_http() -> None:
    with schema_registry() as url:
        body = json.dumps({"schema": "{}"}).encode()
        with urlopen(f"{url}/subjects/a%2Fb/versions?normalize=False", body) as answer:
            assert json.load(answer) == {"subject": "a/b", "version": 1, "id": 1, "schema": "{}"}
        with urlopen(f"{url}/schemas/ids/1?subject=a%2Fb") as answer:
            assert json.load(answer) == {"schema": "{}"}
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{url}/subjects/c", body)
        assert (refused.value.code, json.load(refused.value)["error_code"]) == (404, 40401)
