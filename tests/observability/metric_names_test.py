#!/usr/bin/env python3
"""metric_names_test.py DCAC_SERVER DCAC [TEST...]: what is said of metrics is what a server exports.

With promtool at hand it checks metrics, rules and the queries of the dashboard too.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import yaml

from watched_server import WatchedServerTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALERTS = ROOT / 'deploy/prometheus/alerts.yml'
PROMETHEUS = ROOT / 'deploy/prometheus/prometheus.yml'
DASHBOARD = ROOT / 'deploy/grafana/dcac-dashboard.json'
OPERATIONS = ROOT / 'docs/operations.md'
PROMTOOL = shutil.which('promtool')
NAME = re.compile(r'\b(?:dcac_server|process)_[a-z_]+')
LABEL = re.compile(r'\b([a-z]+)(?:=~|!~|!=|=)"|\bby \(([a-z, ]+)\)')
FOREIGN_LABELS = {'job', 'instance', 'le'}  # of Prometheus itself and of histograms


def family(name, families):
    """The family that a name in a query belongs to: histograms have three more."""
    base = re.sub(r'_(bucket|sum|count)$', '', name)
    return base if base in families else name


class Exported:
    """Families of /metrics: their types and their labels."""

    def __init__(self, text):
        self.types = dict(re.findall(r'^# TYPE (\S+) (\S+)$', text, re.MULTILINE))
        self.helps = dict(re.findall(r'^# HELP (\S+) (.+)$', text, re.MULTILINE))
        self.labels = {name: set() for name in self.types}
        for name, labels in re.findall(r'^(\w+)\{(.*)\} ', text, re.MULTILINE):
            self.labels[family(name, self.types)].update(re.findall(r'(\w+)="', labels))


def expressions(node):
    """All queries in a dashboard or in rules."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ('expr', 'query') and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


class MetricNamesTest(WatchedServerTest):
    def exported(self):
        server = self.start()
        server.compress_some(self.dcac)
        server.capabilities()
        server.wait_for_calls(5)
        return Exported(server.metrics())

    def check(self, queries, exported):
        names = set()
        for query in queries:
            of_query = {family(name, exported.types) for name in NAME.findall(query)}
            self.assertLessEqual(of_query, exported.types.keys(), query)
            used = {label.strip() for pair in LABEL.findall(query) for part in pair for label in part.split(',') if label}
            known = set().union(FOREIGN_LABELS, *(exported.labels[name] for name in of_query))
            self.assertLessEqual(used, known, query)
            names |= of_query
        return names

    def test_dashboard_and_alerts_name_what_there_is(self):
        exported = self.exported()
        dashboard = json.loads(DASHBOARD.read_text())
        shown = self.check(list(expressions(dashboard)), exported)
        self.assertGreater(len(shown), 20)
        ids = [panel['id'] for panel in dashboard['panels']]
        self.assertEqual(len(ids), len(set(ids)))
        alerts = yaml.safe_load(ALERTS.read_text())
        watched = self.check(list(expressions(alerts)), exported)
        self.assertGreater(len(watched), 10)
        # A metric that neither shows is one that nobody looks at.
        self.assertEqual(exported.types.keys() - shown - watched, {'dcac_server_log_lines_total'})

    def test_the_check_notices_names_and_labels(self):
        exported = self.exported()
        for wrong in 'rate(dcac_server_call_total[5m])', 'dcac_server_calls_total{colour="red"}', \
                'sum by (colour) (dcac_server_calls_total)':
            with self.assertRaises(AssertionError):
                self.check([wrong], exported)

    def test_the_table_of_the_documentation_is_complete(self):
        exported = self.exported()
        section = OPERATIONS.read_text().split('## Metrics, log, status page\n')[1].split('\n## ')[0]
        rows = re.findall(r'^\| `((?:dcac_server|process)_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$', section, re.MULTILINE)
        self.assertEqual({row[0]: row[1] for row in rows}, exported.types)
        for name, _, labels, _ in rows:
            self.assertEqual(set(re.findall(r'`(\w+)`', labels)), exported.labels[name] - {'le'}, name)

    def test_names_follow_the_conventions_of_prometheus(self):
        exported = self.exported()
        for name, kind in exported.types.items():
            self.assertEqual(kind == 'counter', name.endswith('_total'), name)
            self.assertNotRegex(name, r'_(ms|mb|kb|milliseconds)(_|$)')
            self.assertTrue(exported.helps[name])

    def test_alerts_say_what_is_wrong(self):
        for rule in yaml.safe_load(ALERTS.read_text())['groups'][0]['rules']:
            self.assertIn(rule['labels']['severity'], ('page', 'ticket'), rule['alert'])
            self.assertIn('$labels.instance', rule['annotations']['summary'], rule['alert'])
            self.assertIn(f'`{rule["alert"]}`', OPERATIONS.read_text())

    def test_files_are_valid(self):
        configuration = yaml.safe_load(PROMETHEUS.read_text())
        self.assertEqual(configuration['rule_files'], [ALERTS.name])
        for path in (ROOT / 'deploy/grafana/provisioning').rglob('*.yaml'):
            self.assertEqual(yaml.safe_load(path.read_text())['apiVersion'], 1)

    @unittest.skipIf(PROMTOOL is None, 'there is no promtool')
    def test_promtool_finds_nothing(self):
        server = self.start()
        subprocess.run([PROMTOOL, 'check', 'config', PROMETHEUS], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([PROMTOOL, 'check', 'metrics'], check=True, input=server.metrics(), text=True)
        # Queries of the dashboard, as rules.
        queries = [query for query in expressions(json.loads(DASHBOARD.read_text())) if NAME.search(query)]
        rules = [{'record': f'query:{i}', 'expr': query.replace('$__rate_interval', '5m').replace('$instance', '.*')}
                 for i, query in enumerate(queries) if not query.startswith('label_values')]
        path = server.folder / 'rules.yml'
        path.write_text(yaml.safe_dump({'groups': [{'name': 'dashboard', 'rules': rules}]}))
        subprocess.run([PROMTOOL, 'check', 'rules', path], check=True, stdout=subprocess.DEVNULL)


if __name__ == '__main__':
    MetricNamesTest.run_all(sys.argv)
