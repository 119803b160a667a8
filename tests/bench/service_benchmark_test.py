#!/usr/bin/env python3
"""service_benchmark.py: tensors, floors, and a short run of it.

    service_benchmark_test.py BIN_FOLDER
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy

import service_benchmark

BIN = ''
DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'

STREAMS = {'part': 'streams', 'file': 'a', 'direction': 'compress', 'level': 1, 'of_ideal': 0.9}
UNARY = {'part': 'unary', 'file': 'a', 'direction': 'compress', 'level': 3, 'p50_ms': 0.5, 'p99_ms': 2.0}
OVERLOAD = {'part': 'overload', 'file': 'a', 'direction': 'compress', 'level': 1, 'server_peak_rss_bytes': 300 << 20,
            'of_peak': 0.95, 'errors': 0, 'worker_completed_min': 2, 'worker_completed_max': 5}


def misses(row, **changes):
    return list(service_benchmark.misses({**row, **changes}))


class FloorTest(unittest.TestCase):
    def test_what_keeps_them(self):
        for row in (STREAMS, UNARY, OVERLOAD):
            self.assertEqual(misses(row), [])

    def test_what_misses_them(self):
        for row, changes in ((STREAMS, {'of_ideal': 0.84}), (UNARY, {'p50_ms': 0.81}), (UNARY, {'p99_ms': 3.1}),
                             (OVERLOAD, {'server_peak_rss_bytes': 321 << 20}), (OVERLOAD, {'of_peak': 0.89}),
                             (OVERLOAD, {'errors': 1}), (OVERLOAD, {'worker_completed_min': 0}),
                             (OVERLOAD, {'worker_completed_max': 9})):
            with self.subTest(changes):
                self.assertEqual(len(misses(row, **changes)), 1)


class TensorTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_large_tensors_have_items_that_are_equal(self):
        planes = numpy.arange(5 << 20, dtype=numpy.uint8).reshape(5, 1024, 1024)
        tensor = numpy.load(service_benchmark.make_tensor(planes, 11 << 20, self.folder / 'a.npy'))
        self.assertEqual(tensor.shape, (2, 5, 1024, 1024))
        self.assertTrue((tensor[1] == planes).all())

    def test_small_tensors_have_some_of_the_planes(self):
        planes = numpy.arange(5 << 20, dtype=numpy.uint8).reshape(5, 1024, 1024)
        tensor = numpy.load(service_benchmark.make_tensor(planes, 2 << 20, self.folder / 'a.npy'))
        self.assertEqual(tensor.shape, (1, 2, 1024, 1024))

    def test_items_that_would_share_a_segment_are_refused(self):
        with self.assertRaises(SystemExit):
            service_benchmark.make_tensor(numpy.zeros((2, 64, 64), numpy.uint8), 1 << 20, self.folder / 'a.npy')

    def test_unary_tensors_have_64_kib(self):
        for dtype in (numpy.uint8, numpy.uint16, numpy.float32):
            path = service_benchmark.make_unary_tensor(numpy.zeros((40, 100, 80), dtype), self.folder / 'a.npy')
            self.assertEqual(numpy.load(path).nbytes, 64 << 10)

    def test_files_of_equal_planes_are_joined(self):
        for name, shape in (('a.npy', (1, 3, 8, 8)), ('b.npy', (2, 2, 8, 8)), ('c.npy', (1, 1, 4, 4))):
            numpy.save(self.folder / name, numpy.zeros(shape, numpy.uint8))
        sources = service_benchmark.sources_of([self.folder / name for name in ('a.npy', 'b.npy', 'c.npy')])
        self.assertEqual({name: planes.shape for name, planes in sources.items()}, {'a.npy': (7, 8, 8), 'c.npy': (1, 4, 4)})


class RunTest(unittest.TestCase):
    def test_real_run(self):
        with tempfile.TemporaryDirectory() as folder:
            lines = pathlib.Path(folder, 'lines')
            command = [sys.executable, service_benchmark.__file__, f'--bin={BIN}', '--levels=1', '--sizes=0.05',
                       '--rounds=1', '--seconds=0.2', '--concurrency=2', f'--json={lines}', 'streams', 'unary', '--',
                       DATA / 'mobilenetv2-frames-b6.u8.npy']
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertIn(result.returncode, (0, 1), result.stderr)  # speeds of so short a run are chance
            self.assertIn('| 0.05MB-mobilenetv2-frames-b6.u8.npy | compress | 1 |', result.stdout)
            self.assertIn('| 64KiB-mobilenetv2-frames-b6.u8.npy | decompress |', result.stdout)
            rows = [json.loads(line) for line in lines.read_text().splitlines()]
        self.assertEqual([(row['part'], row['direction']) for row in rows],
                         [(part, call) for part in ('streams', 'unary') for call in ('compress', 'decompress')])
        for row in rows[:2]:
            for key in ('codec_cpu_s_per_gb', 'transfer_cpu_s_per_gb', 'service_cpu_s_per_gb', 'service_mb_per_s'):
                self.assertGreater(row[key], 0)


if __name__ == '__main__':
    BIN = sys.argv.pop(1)
    unittest.main()
