"""The metrics as Prometheus' own Python client reads them."""

import re
import unittest
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from support import Chatd, DEADLINE


class Metrics(unittest.TestCase):
    def test_prometheus_reads_every_family(self):
        server = Chatd(self, "--metrics-listen", "127.0.0.1:0")
        address = re.search(r"metrics on ([0-9.:]+)", server.process.output)[1]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE) as answer:
            text = answer.read().decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        self.assertEqual(families["chatd_messages"].type, "counter")
        self.assertEqual(families["chatd_sessions"].type, "gauge")
        commits = families["chatd_commit_duration_seconds"]
        self.assertEqual(commits.type, "histogram")
        bounds = [sample.labels["le"] for sample in commits.samples if sample.name.endswith("_bucket")]
        self.assertEqual(bounds[-1], "+Inf")
        for family in families.values():
            self.assertTrue(family.documentation and family.samples, family.name)
            self.assertNotEqual(family.type, "unknown", family.name)

