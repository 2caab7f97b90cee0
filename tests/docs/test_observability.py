"""The page on metrics, doctor and logs says what the code has."""

import re
from pathlib import Path

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from admin.doctor import CHECKS
from core.process import metrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "observability.md").read_text()
ROW = re.compile(r"^\| `(rushes_\w+)` \| (\w+) \|([\w, ]*)\| .+ \|$", re.MULTILINE)


def full_name(metric: MetricWrapperBase) -> str:
    return f"{metric._name}_total" if isinstance(metric, Counter) else metric._name


def test_every_metric_is_listed_with_its_type_and_labels_and_no_other() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]

    assert [(name, kind, labels.strip()) for name, kind, labels in ROW.findall(PAGE)] == [
        (full_name(metric), metric._type, ", ".join(metric._labelnames)) for metric in declared
    ]


def test_every_line_of_the_doctor_is_listed() -> None:
    table = PAGE.partition("| line | ok when |")[2].partition("\n\n")[0]

    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE) == ["settings", *CHECKS]
