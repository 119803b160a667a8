#!/usr/bin/env python3
"""cli_test.py DCAC [TEST...]: the program as its users see it: files, messages, exit status."""
import json
import os
import pathlib
import pty
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

DCAC = None
OK, FAILED, USAGE, CORRUPT, SERVER = range(5)


def npy(descr, shape, samples, text=None):
    """A .npy file as NumPy writes it; `text`: the dictionary, where it is to be another."""
    header = text or (f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}"
                      + ' ' * (21 - len(str(shape[0])) if shape else 0))
    header += ' ' * (64 - (11 + len(header)) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + samples


def smooth_samples(count, seed=1):
    """Bytes that resemble a feature map: small steps, with runs of zero."""
    source, value, out = random.Random(seed), 100, bytearray()
    for _ in range(count):
        value = min(255, max(0, value + source.randint(-3, 3)))
        out.append(value if source.random() < 0.8 else 0)
    return bytes(out)


class CliTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def dcac(self, *arguments, expect=OK, stdin=None):
        """Runs the program in the scratch folder; returns stdout and stderr."""
        result = subprocess.run([DCAC, *arguments], cwd=self.folder, input=stdin or b'', stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(result.returncode, expect, f'{arguments}: {result.stderr.decode()}')
        return result.stdout, result.stderr.decode()

    def write(self, name, data):
        (self.folder / name).write_bytes(data)
        return data

    def read(self, name):
        return (self.folder / name).read_bytes()

    def names(self):
        return sorted(p.name for p in self.folder.iterdir())

    def write_map(self, name='a.npy', shape=(1, 8, 16, 16)):
        count = 1
        for extent in shape:
            count *= extent
        return self.write(name, npy('|u1', shape, smooth_samples(count)))


class UsageTest(CliTest):
    def assert_usage_error(self, *arguments):
        stdout, stderr = self.dcac(*arguments, expect=USAGE)
        self.assertEqual(stdout, b'')
        self.assertRegex(stderr, r'\Adcac: [^\n]+\n\Z')
        return stderr

    def test_wrong_arguments_end_with_2_and_one_line(self):
        for arguments in ([], ['frobnicate'], ['compress'], ['compress', '--frobnicate', 'a'],
                          ['compress', '--level=10', 'a'], ['compress', '--level=x', 'a'],
                          ['compress', '--mode=best', 'a'], ['compress', '--dtype=f64', 'a'],
                          ['compress', '--dtype=u8', '--shape=1,,2', 'a'], ['compress', '--shape=4', 'a'],
                          ['compress', '--segment-bytes=1', 'a'], ['compress', '-c', '-o', 'b', 'a'],
                          ['compress', '-k', '--rm', 'a'], ['bench', '--against=gzip', 'a'], ['help', 'frobnicate']):
            with self.subTest(arguments):
                self.assert_usage_error(*arguments)

    def test_contradicting_outputs(self):
        self.assertEqual(self.assert_usage_error('compress', '-o', 'b', 'a', 'c'),
                         'dcac: -o is given for 2 files, expected one file\n')
        self.assertEqual(self.assert_usage_error('decompress', '--rm', '-c', 'a.dcac'),
                         'dcac: --rm is given with an output on stdout, expected a file\n')
        self.assert_usage_error('compress', '--json', '-c', 'a')
        self.assert_usage_error('compress', '-c', 'a', 'b')

    def test_help_and_version(self):
        self.assertRegex(self.dcac('--version')[0], rb'\Adcac \d+\.\d+\.\d+\n\Z')
        for verb in ('compress', 'decompress', 'test', 'list', 'bench'):
            self.assertIn(verb.encode(), self.dcac('help')[0])
            self.assertIn(b'FILE', self.dcac('help', verb)[0])


class RoundTripTest(CliTest):
    def assert_restores(self, data, *options):
        self.write('original', data)
        self.dcac('compress', '-q', '-f', *options, 'original')
        self.dcac('test', '-q', 'original.dcac')
        self.dcac('decompress', '-q', '-f', '-o', 'restored', 'original.dcac')
        self.assertEqual(self.read('restored'), data)

    def test_all_types(self):
        for descr, size in (('|u1', 1), ('|i1', 1), ('<u2', 2), ('<i2', 2), ('<f2', 2), ('<f4', 4)):
            with self.subTest(descr):
                self.assert_restores(npy(descr, (2, 3, 8, 8), smooth_samples(2 * 3 * 64 * size)))

    def test_all_shapes(self):
        for shape in ((), (0,), (5,), (3, 4), (2, 0, 4, 4), (2, 3, 4), (1, 2, 1, 2, 3, 4)):
            with self.subTest(shape):
                count = 1
                for extent in shape:
                    count *= extent
                self.assert_restores(npy('<f2', shape, smooth_samples(2 * count)))

    def test_bfloat16(self):
        self.assert_restores(npy('<u2', (2, 8, 8), smooth_samples(256)), '--dtype=bf16')
        self.assertIn(b'bf16', self.dcac('list', 'original.dcac')[0])

    def test_raw(self):
        self.assert_restores(smooth_samples(512), '--dtype=i16', '--shape=1,4,8,8')

    def test_headers_that_numpy_would_not_write(self):
        samples = smooth_samples(64)
        self.assert_restores(npy('', (), samples, "{'shape':(8,8),'fortran_order':False,'descr':'|u1'}"))
        self.assert_restores(npy('|u1', (8, 8), samples) + b'and more bytes')

    def test_options(self):
        data = npy('|u1', (3, 8, 16, 16), smooth_samples(3 * 8 * 256))
        for options in (['-1'], ['-9'], ['--level', '3'], ['--mode=intra'], ['--mode=dcac', '--similarity=correlation'],
                        ['--mode=dcac', '--window=3'], ['--max-references=0'], ['--segment-bytes=4096'],
                        ['--no-previous-item'], ['-T1'], ['--threads=3']):
            with self.subTest(options):
                self.assert_restores(data, *options)

    def test_threads_do_not_change_bytes(self):
        self.write_map(shape=(4, 16, 32, 32))
        for threads in ('1', '2', '5'):
            self.dcac('compress', '-T', threads, '--segment-bytes=4096', '-o', threads, 'a.npy')
        self.assertEqual(self.read('1'), self.read('2'))
        self.assertEqual(self.read('1'), self.read('5'))


class PipeTest(CliTest):
    def test_stdin_to_stdout(self):
        data = self.write_map()
        archive, stderr = self.dcac('compress', '-', stdin=data)
        self.assertEqual(stderr, 'stdin: 2048 => %d bytes, ratio %.3f\n' % (len(archive), 2048 / len(archive)))
        self.assertEqual(self.dcac('decompress', '-q', '-', stdin=archive), (data, ''))
        self.assertEqual(self.dcac('test', '-', stdin=archive)[0].decode(),
                         f'stdin: OK, {len(archive)} => {len(data)} bytes\n')
        self.assertIn(b'[1, 8, 16, 16]', self.dcac('list', '-', stdin=archive)[0])

    def test_pipe_gives_the_bytes_of_a_file(self):
        data = self.write_map()
        self.dcac('compress', 'a.npy')
        self.assertEqual(self.dcac('compress', '-q', '-', stdin=data)[0], self.read('a.npy.dcac'))
        self.assertEqual(self.dcac('compress', '-q', '-c', 'a.npy')[0], self.read('a.npy.dcac'))

    def test_pipe_that_goes_on_or_ends_early(self):
        data = self.write_map()
        self.assertEqual(self.dcac('compress', '-o', 'b', '-', stdin=data + b'x', expect=FAILED)[1],
                         'dcac: stdin: goes on after the samples, expected its end\n')
        self.dcac('compress', '-o', 'b', '-', stdin=data[:-1], expect=FAILED)
        self.assertEqual(self.names(), ['a.npy'])


class OutputTest(CliTest):
    def test_source_is_kept_and_result_printed(self):
        data = self.write_map()
        stdout, stderr = self.dcac('compress', 'a.npy')
        size = len(self.read('a.npy.dcac'))
        self.assertEqual(stdout.decode(), f'a.npy: 2048 => {size} bytes, ratio {2048 / size:.3f}, a.npy.dcac\n')
        self.assertEqual(stderr, '')
        self.assertEqual(self.read('a.npy'), data)
        self.assertEqual(self.dcac('compress', '-q', '-f', 'a.npy'), (b'', ''))

    def test_existing_output_needs_force(self):
        self.write_map()
        self.write('a.npy.dcac', b'precious')
        self.assertEqual(self.dcac('compress', 'a.npy', expect=FAILED)[1],
                         'dcac: a.npy: a.npy.dcac: exists already, expected no file or --force\n')
        self.assertEqual(self.read('a.npy.dcac'), b'precious')
        self.dcac('compress', '--force', 'a.npy')
        self.dcac('test', 'a.npy.dcac')

    def test_failed_run_keeps_the_existing_output(self):
        self.write_map()
        self.dcac('compress', '-o', 'bad.dcac', 'a.npy')
        self.write('bad.dcac', self.read('bad.dcac')[:-5])
        self.write('bad', b'precious')
        self.dcac('decompress', '-f', 'bad.dcac', expect=CORRUPT)
        self.assertEqual(self.read('bad'), b'precious')
        self.assertEqual(self.names(), ['a.npy', 'bad', 'bad.dcac'])

    def test_output_is_not_the_input(self):
        data = self.write_map()
        self.dcac('compress', '-f', '-o', 'a.npy', 'a.npy', expect=FAILED)
        self.assertEqual(self.read('a.npy'), data)

    def test_output_in_a_missing_folder(self):
        self.write_map()
        self.assertIn('none/b: cannot create', self.dcac('compress', '-o', 'none/b', 'a.npy', expect=FAILED)[1])

    def test_permissions_are_the_sources(self):
        self.write_map()
        (self.folder / 'a.npy').chmod(0o600)
        self.dcac('compress', 'a.npy')
        self.assertEqual((self.folder / 'a.npy.dcac').stat().st_mode & 0o777, 0o600)

    def test_time_of_modification_is_the_sources(self):
        self.write_map()
        os.utime(self.folder / 'a.npy', ns=(10**18, 10**18 + 123456789))
        self.dcac('compress', '-q', 'a.npy')
        self.dcac('decompress', '-q', '-o', 'b.npy', 'a.npy.dcac')
        for name in ('a.npy.dcac', 'b.npy'):
            self.assertEqual((self.folder / name).stat().st_mtime_ns, 10**18 + 123456789)

    def test_device_is_written_directly(self):
        self.write_map()
        self.dcac('compress', '-o', '/dev/null', 'a.npy')
        self.assertFalse(pathlib.Path('/dev/null').is_file())

    def test_full_disk(self):
        self.write_map()
        self.assertIn('No space left', self.dcac('compress', '-o', '/dev/full', 'a.npy', expect=FAILED)[1])

    def test_decompress_needs_a_name(self):
        self.write_map()
        self.dcac('compress', '-o', 'archive', 'a.npy')
        self.assertEqual(self.dcac('decompress', 'archive', expect=FAILED)[1],
                         'dcac: archive: does not end in .dcac, expected that or -o\n')

    def test_rm_removes_what_was_done(self):
        data = self.write_map()
        self.dcac('compress', '--rm', 'a.npy')
        self.assertEqual(self.names(), ['a.npy.dcac'])
        self.dcac('decompress', '--rm', 'a.npy.dcac')
        self.assertEqual(self.names(), ['a.npy'])
        self.assertEqual(self.read('a.npy'), data)

    def test_rm_keeps_the_source_of_a_device(self):
        data = self.write_map()
        self.dcac('compress', '--rm', '-o', '/dev/null', 'a.npy', expect=CORRUPT)
        self.assertEqual(self.read('a.npy'), data)

    def test_signal_removes_the_temporary(self):
        os.mkfifo(self.folder / 'pipe')
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([DCAC, 'compress', '-o', 'b', 'pipe'], cwd=self.folder)
            # For reading too: opening for writing alone would wait for a program that has ended.
            with open(os.open(self.folder / 'pipe', os.O_RDWR), 'wb') as pipe:
                pipe.write(npy('|u1', (4096,), b'x'))
                pipe.flush()
                self.wait_for(lambda: len(self.names()) == 2)
                process.send_signal(number)
                self.assertEqual(process.wait(60), -number)
            self.assertEqual(self.names(), ['pipe'])

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)


class ManyFilesTest(CliTest):
    def test_the_others_are_done(self):
        self.write_map('a.npy')
        self.write_map('c.npy')
        stdout, stderr = self.dcac('compress', '-q', 'a.npy', 'b.npy', 'c.npy', expect=FAILED)
        self.assertEqual(stderr, 'dcac: b.npy: cannot open: No such file or directory\n')
        self.assertEqual(self.names(), ['a.npy', 'a.npy.dcac', 'c.npy', 'c.npy.dcac'])

    def test_results_come_in_the_order_of_the_files(self):
        names = [f'{i}.npy' for i in range(40)]
        for i, name in enumerate(names):
            self.write_map(name, shape=(1, 1 + i * 7 % 40, 16, 16))
        for options in ([], ['-T1'], ['-T4'], ['-T4', '--memory=20MB'], ['--memory=1']):
            with self.subTest(options):
                stdout, stderr = self.dcac('compress', '--json', '-f', *options, 'missing', *names, expect=FAILED)
                self.assertEqual([json.loads(line)['file'] for line in stdout.splitlines()], ['missing'] + names)
                self.assertEqual(stderr, 'dcac: missing: cannot open: No such file or directory\n')

    def test_corrupt_weighs_more_than_missing(self):
        self.write('bad.dcac', b'no archive')
        _, stderr = self.dcac('test', 'bad.dcac', 'missing.dcac', expect=CORRUPT)
        self.assertEqual(stderr, 'dcac: bad.dcac: is no dcac archive\n'
                                 'dcac: missing.dcac: cannot open: No such file or directory\n')


class HostileTest(CliTest):
    def test_files_of_other_types(self):
        for data, message in ((npy('<f8', (2,), bytes(16)), "samples are '<f8', expected |u1 |i1 <u2 <i2 <f2 or <f4"),
                              (b'hello', 'is no .npy file, expected one or --dtype and --shape'),
                              (npy('|u1', (9,), bytes(8)), 'holds 136 bytes, expected 137 for shape [9] of u8')):
            self.write('a', data)
            self.assertEqual(self.dcac('compress', 'a', expect=FAILED)[1], f'dcac: a: {message}\n')
        self.assertEqual(self.names(), ['a'])

    def test_huge_shape_in_a_small_file(self):
        self.write('a.npy', npy('<f4', (1 << 40, 1 << 20), b'x'))
        self.dcac('compress', 'a.npy', expect=FAILED)
        self.dcac('compress', '-o', 'b', '-', stdin=self.read('a.npy'), expect=FAILED)

    def test_every_prefix_of_an_archive(self):
        self.write_map(shape=(1, 2, 8, 8))
        self.dcac('compress', 'a.npy')
        archive = self.read('a.npy.dcac')
        for length in range(len(archive)):
            with self.subTest(length):
                self.assertEqual(self.dcac('decompress', '-q', '-', stdin=archive[:length], expect=CORRUPT)[1].count('\n'), 1)

    def test_flipped_bits(self):
        data = self.write_map(shape=(1, 2, 8, 8))
        self.dcac('compress', 'a.npy')
        archive = self.read('a.npy.dcac')
        source = random.Random(7)
        for _ in range(60):
            bit = source.randrange(8 * len(archive))
            flipped = bytearray(archive)
            flipped[bit // 8] ^= 1 << bit % 8
            result = subprocess.run([DCAC, 'decompress', '-q', '-'], input=bytes(flipped), capture_output=True)
            with self.subTest(bit=bit):
                self.assertIn(result.returncode, (OK, FAILED, CORRUPT))
                self.assertTrue(result.returncode != OK or result.stdout == data)

    def test_bytes_after_an_archive(self):
        self.write_map()
        self.dcac('compress', 'a.npy')
        self.write('b.dcac', self.read('a.npy.dcac') + b'x')
        self.dcac('test', 'b.dcac', expect=CORRUPT)
        self.dcac('list', 'b.dcac', expect=CORRUPT)

    def test_later_version(self):
        self.write('a.dcac', b'DCAR\x02\x02\x01\0\0\0\0')
        self.assertEqual(self.dcac('test', 'a.dcac', expect=FAILED)[1],
                         'dcac: a.dcac: archive version is 2, expected 1\n')

    def test_names_cannot_forge_lines(self):
        self.assertEqual(self.dcac('test', 'a\ndcac: b', expect=FAILED)[1].count('\n'), 1)

    def test_folder(self):
        (self.folder / 'sub').mkdir()
        self.assertEqual(self.dcac('compress', 'sub', expect=FAILED)[1],
                         'dcac: sub: is a directory, expected a file\n')


class JsonTest(CliTest):
    def lines(self, *arguments, expect=OK):
        return [json.loads(line) for line in self.dcac(*arguments, expect=expect)[0].splitlines()]

    def test_compress_and_decompress(self):
        data = self.write_map()
        compressed, = self.lines('compress', '--json', 'a.npy')
        size = len(self.read('a.npy.dcac'))
        self.assertGreater(compressed.pop('compress_mb_per_s'), 0)
        self.assertEqual(compressed, {'file': 'a.npy', 'output': 'a.npy.dcac', 'dtype': 'u8', 'shape': [1, 8, 16, 16],
                                      'level': 5, 'mode': 'ls', 'file_bytes': len(data), 'raw_bytes': 2048,
                                      'compressed_bytes': size, 'ratio': 2048 / size})
        restored, = self.lines('decompress', '--json', '-f', 'a.npy.dcac')
        self.assertGreater(restored.pop('decompress_mb_per_s'), 0)
        self.assertEqual(restored, {'file': 'a.npy.dcac', 'output': 'a.npy', 'dtype': 'u8', 'shape': [1, 8, 16, 16],
                                    'file_bytes': len(data), 'raw_bytes': 2048, 'compressed_bytes': size})

    def test_failures(self):
        self.write('bad.dcac', b'no archive')
        failed, = self.lines('test', '--json', 'bad.dcac', expect=CORRUPT)
        self.assertEqual(failed, {'file': 'bad.dcac', 'error': 'is no dcac archive', 'status': 'DATA_LOSS'})

    def test_list(self):
        self.write_map()
        self.dcac('compress', 'a.npy')
        listed, = self.lines('list', '--json', 'a.npy.dcac')
        self.assertEqual(set(listed), {'file', 'kind', 'dtype', 'shape', 'raw_bytes', 'compressed_bytes', 'ratio',
                                       'segments', 'segments_by_method', 'digest'})
        self.assertEqual((listed['kind'], listed['raw_bytes'], listed['segments']), ('npy', 2048, 1))

    def test_bench(self):
        self.write_map()
        measured = self.lines('bench', '--json', '--against=zstd-1,lz4,memcpy', 'a.npy')
        self.assertEqual([m['codec'] for m in measured], ['dcac-5', 'zstd-1', 'lz4', 'memcpy'])
        for m in measured:
            self.assertLessEqual({'file', 'codec', 'dtype', 'raw_bytes', 'compressed_bytes', 'compress_mb_per_s',
                                  'compress_mb_per_s_best', 'decompress_mb_per_s', 'decompress_mb_per_s_best',
                                  'peak_memory_bytes'}, set(m))
            self.assertGreaterEqual(m['runs'], 5)
            self.assertGreaterEqual(m['compress_mb_per_s_best'], m['compress_mb_per_s'])


class ServerTest(CliTest):
    def test_no_server_ends_with_4(self):
        self.write_map()
        for verb in ('compress', 'decompress', 'test'):
            stderr = self.dcac(verb, '--server=unix:/nonexistent/socket', 'a.npy', expect=SERVER)[1]
            self.assertRegex(stderr, r'\Adcac: unix:/nonexistent/socket: [^\n]+\n\Z')
        self.assertEqual(self.names(), ['a.npy'])


class ProgressTest(CliTest):
    def run_on_terminal(self, *options):
        """What the program writes to stderr when that is a terminal."""
        self.write_map()
        parent, child = pty.openpty()
        seen = bytearray()

        def read_all():
            try:
                while data := os.read(parent, 4096):
                    seen.extend(data)
            except OSError:  # the other end is closed
                pass

        reader = threading.Thread(target=read_all)
        reader.start()
        subprocess.run([DCAC, 'compress', '-f', *options, 'a.npy'], cwd=self.folder, stderr=child, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        os.close(child)
        reader.join()
        os.close(parent)
        return bytes(seen)

    def test_bar_is_for_terminals_and_can_be_turned_off(self):
        self.assertIn(b'%', self.run_on_terminal())
        self.assertEqual(self.run_on_terminal('-q'), b'')
        self.assertEqual(self.run_on_terminal('--json'), b'')


if __name__ == '__main__':
    DCAC = os.path.abspath(sys.argv.pop(1))
    unittest.main()
