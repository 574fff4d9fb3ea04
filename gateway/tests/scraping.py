"""What Prometheus reads of a gateway."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from gateway.tests.door import Door


def scraped(door: Door) -> dict[str, float]:
    """Read all samples but those of buckets, by their names and the values of their labels, without a key."""
    answer = door.http.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if "le" not in sample.labels
    }
