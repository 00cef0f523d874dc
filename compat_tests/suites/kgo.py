"""franz-go's kgo tests, those of them that talk to a broker: one test binary, its subtests counted one by one.

A skip is not a pass: the tests skip what ApiVersions does not offer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from compat_tests.suites.suite import FAILED, PASSED, SKIPPED, Outcome, Run, call

RECORDS = 10_000
SUITE_S = 900
TESTS = (
    "Test848RegexBrokerResolves",
    "TestAddRemovePartitions",
    "TestClient_Produce",
    "TestClient_ProduceLargeMessages",
    "TestConsumeMaxDecompressBatchBytes",
    "TestConsumeRegex",
    "TestConsumeRegexShareSkipsInternal",
    "TestConsumeTopicRetrieval",
    "TestConsumeTopicRetrieval_Many",
    "TestDirectPartitionPurge",
    "TestGroupETL",
    "TestGroupSimple",
    "TestHookPollStart",
    "TestIssue1034",
    "TestIssue325",
    "TestIssue337",
    "TestIssue434",
    "TestIssue523",
    "TestIssue648",
    "TestIssue769",
    "TestIssue810",
    "TestIssue831",
    "TestIssue865",
    "TestIssueFetchLargerThanBrokerMaxReadBytes",
    "TestIssueProduceBrokerTooOldFailsRecords",
    "TestIssueProduceSyncManualPartitionNegativeDoesNotPanic",
    "TestPauseIssue489",
    "TestPauseIssueOct2023",
    "TestPing",
    "TestPooling",
    "TestSCRAMAuth",
    "TestSCRAMAuthBadCredentials",
    "TestShareGroup",
    "TestShareGroupAckOnClose",
    "TestShareGroupETL",
    "TestShareGroupOffsetsAdmin",
    "TestTxnEtl",
    "TestUnknownGroupOffsetFetchPinned",
)
"""All others of the package are unit tests or bring an in-memory broker of their own."""

_TURN = re.compile(r"=== (RUN|CONT|NAME|PAUSE) +(\S+)")
_SAID = re.compile(r" +\w+\.go:\d+: (.*)")
_ENDED = re.compile(r" *--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)")
_RESULTS = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}


def outcomes(log: str, seconds: float) -> Iterator[Outcome]:
    """One outcome per test and subtest that began; those that did not end have failed."""
    found: dict[str, Outcome] = {}
    said: dict[str, str] = {}
    turn = ""
    for line in log.splitlines():
        if began := _TURN.match(line):
            turn = began[2]
            found.setdefault(turn, Outcome(turn, FAILED, seconds, "did not end"))
        elif ended := _ENDED.match(line):
            word, turn, took = ended.groups()
            found[turn] = Outcome(turn, _RESULTS[word], float(took))
        elif words := _SAID.match(line):
            said.setdefault(turn, words[1].strip())
    for outcome in found.values():
        yield outcome if outcome.result == PASSED else outcome._replace(text=said.get(outcome.test, outcome.text))


def run(run: Run) -> Iterator[Outcome]:
    home = run.cache / "kgo"
    chosen = "|".join(name for name in TESTS if run.only in name)
    status, log = call(
        [
            str(home / "kgo.test"),
            "-test.v",
            "-test.count=1",
            f"-test.timeout={SUITE_S}s",
            f"-test.run=^({chosen})$",
        ],
        log=run.logs / "kgo.log",
        seconds=SUITE_S + 30,
        cwd=home / "franz-go/pkg/kgo",
        environment={
            "KGO_SEEDS": run.bootstrap,
            "KGO_TEST_RF": "1",
            "KGO_TEST_RECORDS": str(RECORDS),
            "KGO_LOG_LEVEL": "none",
        },
    )
    yield from outcomes(log, SUITE_S)
    if status is None:
        yield Outcome("kgo.test", FAILED, SUITE_S, "did not end")
