#!/usr/bin/env python3
"""loadgen_test.py DCAC DCAC_SERVER [TEST...]: `dcac loadgen` against a real server."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'
SMALL, OTHER = DATA / 'mobilenetv2-b6.u8.npy', DATA / 'efflite0-b8d.u8.npy'
OK, FAILED, USAGE, CORRUPT, SERVER_ERROR = range(5)
KEYS = {'loop', 'concurrency', 'duration_s', 'requests', 'completed', 'refused', 'errors', 'errors_by_code',
        'requests_per_s', 'raw_mb_per_s', 'raw_bytes', 'ratio', 'mean_ms', 'p50_ms', 'p90_ms', 'p99_ms', 'p999_ms',
        'max_ms', 'worker_completed_min', 'worker_completed_max', 'completed_by_worker', 'server_cpu_s', 'client_cpu_s',
        'cpu_s_per_gb', 'server_peak_rss_bytes'}


class Server:
    """A server on a Unix socket of its own until the end of the context."""

    def __init__(self, *options):
        self._options = options

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.address = f'unix:{self._folder.name}/s'
        self._process = subprocess.Popen(
            [SERVER, f'--listen={self.address}', '--lame-duck-ms=0', *self._options], stderr=subprocess.PIPE, text=True)
        line = self._process.stderr.readline()
        if 'listening' not in line:
            raise RuntimeError(f'the server says: {line}')
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate(timeout=60)
        self._folder.cleanup()


class LoadgenTest(unittest.TestCase):
    def loadgen(self, *arguments, seconds=0.3, expect=OK):
        """Runs it for a short time; returns stdout and stderr."""
        result = subprocess.run([DCAC, 'loadgen', f'--duration={seconds}', '--warmup=0', *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(result.returncode, expect, f'{arguments}: {result.stderr}')
        return result.stdout, result.stderr

    def figures(self, *arguments, **settings):
        stdout, _ = self.loadgen('--json', *arguments, **settings)
        self.assertEqual(stdout.count('\n'), 1)
        return json.loads(stdout)

    def assert_all_completed(self, figures):
        self.assertEqual(KEYS - set(figures), set())
        self.assertGreater(figures['completed'], 0)
        self.assertEqual(figures['completed'], figures['requests'])
        self.assertEqual((figures['errors'], figures['errors_by_code'], figures['refused']), (0, {}, 0))
        self.assertLessEqual(figures['p50_ms'], figures['p99_ms'])
        self.assertLessEqual(figures['p99_ms'], figures['max_ms'])
        self.assertGreater(figures['raw_mb_per_s'], 0)

    def test_closed_loop(self):
        with Server() as server:
            for options in (['--stream'], ['--unary'], ['--calls=compress,decompress', '--verify', '--level=1']):
                with self.subTest(options):
                    figures = self.figures(f'--server={server.address}', '--concurrency=2', *options, SMALL, f'{OTHER}@2')
                    self.assert_all_completed(figures)
                    self.assertEqual((figures['loop'], figures['concurrency']), ('closed', 2))
                    self.assertGreaterEqual(figures['worker_completed_min'], 1)
                    self.assertGreater(figures['server_peak_rss_bytes'], 1_000_000)

    def test_open_loop(self):
        with Server() as server:
            figures = self.figures(f'--server={server.address}', '--rate=100', '--calls=decompress', SMALL)
        self.assert_all_completed(figures)
        self.assertEqual((figures['loop'], figures['rate']), ('open', 100))

    def test_text_for_people(self):
        with Server() as server:
            stdout, stderr = self.loadgen(f'--server={server.address}', SMALL)
        self.assertRegex(stdout, r'\Aclosed loop, 8 workers, 0\.3 s\n  calls +\d+: \d+ completed, 0 refused, 0 failed; ')
        self.assertRegex(stdout, r'latency +p50 [\d.]+, p90 [\d.]+, p99 [\d.]+, p99\.9 [\d.]+, most [\d.]+ ms\n')
        self.assertEqual(stderr, '')

    def test_in_process(self):
        figures = self.figures('--in-process', '--concurrency=1', '--calls=compress,decompress', '--verify', SMALL)
        self.assert_all_completed(figures)
        self.assertEqual(figures['server_cpu_s'], 0)
        self.assertGreater(figures['client_cpu_s'], 0)

    def test_no_server_ends_with_4(self):
        stdout, stderr = self.loadgen('--server=unix:/nonexistent/s', SMALL, expect=SERVER_ERROR)
        self.assertEqual(stdout, '')
        self.assertRegex(stderr, r'\Adcac: unix:/nonexistent/s: [^\n]+\n\Z')

    def test_failed_calls_end_with_1(self):
        with Server('--max-tensor-bytes=30KiB') as server:
            figures = self.figures(f'--server={server.address}', '--stream', '--concurrency=1', SMALL, OTHER, expect=FAILED)
        self.assertGreater(figures['completed'], 0)
        self.assertEqual(figures['errors_by_code'], {'RESOURCE_EXHAUSTED': figures['errors']})
        self.assertEqual(figures['requests'], figures['completed'] + figures['errors'])

    def test_refusals_are_no_failures(self):
        options = ['--stream', '--concurrency=8', OTHER]
        with Server('--max-streams=2') as server:
            refused = self.figures(f'--server={server.address}', *options, seconds=1)
        with Server('--max-streams=2') as server:
            repeated = self.figures(f'--server={server.address}', '--retry-refused', *options, seconds=1)
        for figures in (refused, repeated):
            self.assertEqual(figures['errors'], 0)
            self.assertGreater(figures['completed'], 0)
            self.assertGreater(figures['refused'], 0)
            self.assertEqual(figures['requests'], figures['completed'] + figures['refused'])
            self.assertGreater(figures['server_peak_rss_bytes'], 1_000_000)

    def test_usage_errors(self):
        for arguments in ([SMALL], ['--in-process', '--unary', SMALL], ['--server=a', '--rate=0', SMALL],
                          ['--server=a', '--unary', '--stream', SMALL], ['--server=a', '--calls=put', SMALL],
                          ['--server=a', '--concurrency=0', SMALL], ['--server=a']):
            with self.subTest(arguments):
                stdout, stderr = self.loadgen(*arguments, expect=USAGE)
                self.assertEqual(stdout, '')
                self.assertRegex(stderr, r'\Adcac: [^\n]+\n\Z')

    def test_a_tensor_too_large_for_a_message_is_a_usage_error(self):
        with Server('--max-tensor-bytes=1GiB') as server, tempfile.TemporaryDirectory() as folder:
            large = pathlib.Path(folder, 'raw')
            large.write_bytes(bytes(5_000_000))
            _, stderr = self.loadgen(f'--server={server.address}', '--unary', '--dtype=u8', '--shape=5000,1000', large,
                                     expect=USAGE)
        self.assertRegex(stderr, r'\Adcac: [^\n]+ 5000000 bytes with --unary, expected at most 4194304\n\Z')

    def test_a_file_that_cannot_be_read_ends_with_1(self):
        _, stderr = self.loadgen('--in-process', '/nonexistent.npy@2', expect=FAILED)
        self.assertRegex(stderr, r'\Adcac: /nonexistent.npy: [^\n]+\n\Z')


if __name__ == '__main__':
    DCAC, SERVER = (sys.argv.pop(1) for _ in range(2))
    unittest.main()
