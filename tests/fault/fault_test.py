#!/usr/bin/env python3
"""fault_test.py DCAC SHIM [TEST...]: every system call of a run over a folder fails once, or is its last."""
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

DCAC = SHIM = None


def npy(count):
    source = random.Random(count)
    samples = bytes(min(255, int(abs(source.gauss(0, 20)))) for _ in range(count))
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 16, {count // 16}), }}"
    header += ' ' * (63 - (10 + len(header)) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + samples


FILES = {'a.npy': npy(4096), 'folder/b c.npy': npy(64), 'folder/d.npy': npy(512)}
REASONS = {'EIO': 'Input/output error', 'ENOSPC': 'No space left on device', 'EINTR': 'Interrupted system call'}


class FaultTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        for name, data in FILES.items():
            (self.folder / 'original' / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / 'original' / name).write_bytes(data)
        os.symlink('a.npy', self.folder / 'original' / 'link')
        self.dcac('compress', '-q', '-r', 'original', '-o', 'archives', expect=0)

    def dcac(self, *arguments, expect=None, fault=None):
        """Runs the program; returns exit status and stderr.  Whether the fault happened: self.happened."""
        mark = self.folder / 'mark'
        mark.unlink(missing_ok=True)
        environment = {**os.environ, 'LD_PRELOAD': SHIM, 'DCAC_FAULT': fault, 'DCAC_FAULT_MARK': str(mark)}
        result = subprocess.run([DCAC, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                timeout=60, env=environment if fault else None)
        self.happened = mark.exists()
        stderr = result.stderr.decode()
        if expect is not None:
            self.assertEqual(result.returncode, expect, stderr)
        return result.returncode, stderr

    def content(self, folder):
        """Files below the folder, without the journal."""
        root = self.folder / folder
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*')
                if p.is_file() and not p.is_symlink() and p.name != '.dcac-journal'}

    def assert_whole(self, outputs, expected):
        """What is there is right; no partial files, no temporaries."""
        for name, data in outputs.items():
            self.assertIn(name, expected)
            self.assertTrue(data == expected[name], f'{name} differs')

    def for_every_call(self, verb, source, target, call, kind, check):
        """Lets the first, second, ... `call` meet `kind`, until a run has no more of them; then resumes each."""
        expected = self.content({'compress': 'archives', 'decompress': 'original'}[verb])
        for number in range(1, 500):
            with self.subTest(verb=verb, call=call, kind=kind, number=number):
                shutil.rmtree(self.folder / target, ignore_errors=True)
                run = (verb, '-q', '-T1', '-r', source, '-o', target)
                status, stderr = self.dcac(*run, fault=f'{call}:{number}:{kind}')
                if not self.happened:
                    self.assertEqual((status, stderr), (0, ''))
                    self.assertGreater(number, 3, 'hardly anything was tried')
                    return
                check(status, stderr)
                if kind not in ('kill', 'killed'):
                    self.assert_whole(self.content(target), expected)
                self.dcac(*run, '--resume', expect=0)
                self.assertEqual(sorted(self.content(target)), sorted(expected))
                self.assert_whole(self.content(target), expected)
                self.assertEqual(os.readlink(self.folder / target / 'link'), 'a.npy')
        self.fail('the run never ends')

    def for_both_verbs(self, call, kind, check):
        self.for_every_call('compress', 'original', 'out', call, kind, check)
        self.for_every_call('decompress', 'archives', 'back', call, kind, check)

    def assert_failed(self, kind):
        def check(status, stderr):
            self.assertEqual(status, 1, stderr)
            self.assertRegex(stderr, rf'\Adcac: [^:]*(\.npy|dcac|journal)[^\n]*: {REASONS[kind]}\n')
        return check

    def assert_unharmed(self, status, stderr):
        self.assertEqual((status, stderr), (0, ''))

    def test_writes(self):
        for kind in ('ENOSPC', 'EIO'):
            self.for_both_verbs('write', kind, self.assert_failed(kind))
        for kind in ('EINTR', 'short'):
            self.for_both_verbs('write', kind, self.assert_unharmed)

    def test_reads(self):
        self.for_both_verbs('read', 'EIO', self.assert_failed('EIO'))
        for kind in ('EINTR', 'short'):
            self.for_both_verbs('read', kind, self.assert_unharmed)

    def test_syncs(self):
        for kind in ('EIO', 'ENOSPC'):
            self.for_both_verbs('sync', kind, self.assert_failed(kind))
        self.for_both_verbs('sync', 'EINTR', self.assert_unharmed)

    def test_renames(self):
        expected = self.content('archives')
        for number in range(1, len(FILES) + 1):
            for kind in ('EIO', 'ENOSPC'):
                shutil.rmtree(self.folder / 'out', ignore_errors=True)
                run = ('compress', '-q', '-T1', '-r', 'original', '-o', 'out')
                self.assert_failed(kind)(*self.dcac(*run, fault=f'rename:{number}:{kind}'))
                self.assertEqual(len(self.content('out')), len(FILES) - 1)
                self.assert_whole(self.content('out'), expected)
                self.dcac(*run, '--resume', expect=0)
                self.assertEqual(self.content('out'), expected)

    def test_file_that_changes_while_it_is_read(self):
        for number in range(1, 500):
            with self.subTest(number):
                shutil.rmtree(self.folder / 'out', ignore_errors=True)
                shutil.rmtree(self.folder / 'changing', ignore_errors=True)
                shutil.copytree(self.folder / 'original', self.folder / 'changing', symlinks=True)
                run = ('compress', '-q', '-T1', '-r', 'changing', '-o', 'out')
                status, stderr = self.dcac(*run, fault=f'read:{number}:change')
                if not self.happened:
                    self.assertGreater(number, 3)
                    return
                self.assertEqual(status, 1)
                self.assertRegex(stderr, r'\Adcac: changing/[^\n]*changed[^\n]*\n\Z')
                self.assertEqual(len(self.content('out')), len(FILES) - 1)
                self.dcac(*run, '--resume', expect=0)
                self.dcac('diff', '-r', 'changing', 'out', expect=0)

    def test_kill_at_every_call(self):
        def check(status, _):
            self.assertEqual(status, -signal.SIGKILL)
        for kind in ('kill', 'killed'):
            self.for_both_verbs('any', kind, check)


if __name__ == '__main__':
    DCAC, SHIM = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    unittest.main()
