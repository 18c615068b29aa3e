"""Reads a scrape endpoint in all its text forms with the parsers of Prometheus' own client for Python.

`scraped.py host:port` fails unless OpenMetrics and the text format say the same, compressed or not, and each series is there once. Prints
one JSON line: how many series and exemplars there are.
"""

import gzip
import json
import math
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text


def page(address, accept, encoding):
    request = urllib.request.Request(f"http://{address}/metrics", headers={"accept": accept, "accept-encoding": encoding})
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        assert answer.headers["content-type"].startswith(accept.split(";")[0]), answer.headers["content-type"]
        if encoding == "gzip":
            assert answer.headers["content-encoding"] == "gzip", "it is not compressed"
            body = gzip.decompress(body)
        return body.decode()


def samples(families):
    """Values by name and labels; bounds by their value, as formats write them in their own ways."""
    found, exemplars = {}, 0
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            for bound in ("le", "quantile"):
                if bound in labels:
                    labels[bound] = float(labels[bound])
            key = (sample.name, tuple(sorted(labels.items())))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
            exemplars += sample.exemplar is not None
    return found, exemplars


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


def main():
    address = sys.argv[1]
    plain, none = samples(text(page(address, "text/plain;version=0.0.4", "gzip")))
    opened, exemplars = samples(open_metrics(page(address, "application/openmetrics-text;version=1.0.0", "identity")))
    assert none == 0, "the text format has no exemplars"
    differ = {key for key in plain.keys() | opened.keys() if key not in plain or key not in opened or not same(plain[key], opened[key])}
    assert not differ, f"the formats differ: {sorted(differ)[:5]}"
    print(json.dumps({"series": len(plain), "exemplars": exemplars}))


main()
