#!/usr/bin/env python3
"""cli_test.py DCAC [TEST...]: the program as its users see it: files, messages, exit status."""
import json
import os
import pathlib
import pty
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DCAC = None
OK, FAILED, USAGE, CORRUPT, SERVER = range(5)


def npy(descr, shape, samples, text=None):
    """A .npy file as NumPy writes it; `text`: the dictionary, where it is to be another."""
    header = text or (f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}"
                      + ' ' * (21 - len(str(shape[0])) if shape else 0))
    header += ' ' * (64 - (11 + len(header)) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode() + samples


def fortran_npy(descr, shape, samples):
    """A .npy file of an array in Fortran order, as NumPy writes it."""
    header = (f"{{'descr': '{descr}', 'fortran_order': True, 'shape': {shape!r}, }}" + ' ' * (21 - len(str(shape[-1]))))
    return npy(descr, shape, samples, header)


def smooth_samples(count, seed=1):
    """Bytes that resemble a feature map: small steps, with runs of zero."""
    source, value, out = random.Random(seed), 100, bytearray()
    for _ in range(count):
        value = min(255, max(0, value + source.randint(-3, 3)))
        out.append(value if source.random() < 0.8 else 0)
    return bytes(out)


def no_core():
    """For a process that is to end by a signal."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class CliTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def dcac(self, *arguments, expect=OK, stdin=None, environment=None):
        """Runs the program in the scratch folder, with `environment` added to ours; returns stdout and stderr."""
        result = subprocess.run([DCAC, *arguments], cwd=self.folder, input=stdin or b'', stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=120, env={**os.environ, **(environment or {})})
        self.assertEqual(result.returncode, expect, f'{arguments}: {result.stderr.decode()}')
        return result.stdout, result.stderr.decode()

    def dcac_on_terminal(self, *arguments, environment=None):
        """What the program writes to stderr when that is a terminal."""
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
        subprocess.run([DCAC, *arguments], cwd=self.folder, stderr=child, check=True, stdout=subprocess.DEVNULL,
                       timeout=120, env={**os.environ, **(environment or {})})
        os.close(child)
        reader.join()
        os.close(parent)
        return bytes(seen)

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
                          ['compress', '--mode=best', 'a'], ['compress', '--dtype=f128', 'a'],
                          ['compress', '--dtype=u8', '--shape=1,,2', 'a'], ['compress', '--shape=4', 'a'],
                          ['compress', '--dtype=u8', '--shape=1,1,1,1,1,1,1,1,1', 'a'],
                          ['compress', '--dtype=u8', '--shape=4294967296,4294967296', 'a'],
                          ['compress', '--rope=theta=1', 'a'], ['compress', '--rope=dim=4,rotary=8', 'a'],
                          ['compress', '--segment-bytes=1', 'a'], ['compress', '-c', '-o', 'b', 'a'],
                          ['compress', '-k', '--rm', 'a'], ['bench', '--against=gzip', 'a'], ['help', 'frobnicate']):
            with self.subTest(arguments):
                self.assert_usage_error(*arguments)

    def test_an_empty_value_takes_no_file(self):
        for option in ('--output=', '--tensor=', '--rows='):
            self.assertEqual(self.assert_usage_error('decompress', '-f', option, 'a.dcac', 'b.dcac'),
                             f'dcac: {option} has no value, expected one\n')
        self.dcac('compress', '--', '--output=', expect=FAILED)

    def test_rules_of_rope_are_those_of_the_encoder(self):
        for rope, rule in (('theta=1', 'rope theta is 1, expected 2 or more'),
                           ('dim=4,rotary=8', 'rope rotates 8 features of heads of 4, expected an even number and no '
                                              'more than they have')):
            self.assertEqual(self.assert_usage_error('compress', f'--rope={rope}', 'a'),
                             f'dcac: --rope={rope}: {rule}\n')

    def test_contradicting_outputs(self):
        self.assertEqual(self.assert_usage_error('compress', '-o', 'b', 'a', 'c'),
                         'dcac: -o is given for 2 files, expected one file\n')
        self.assertEqual(self.assert_usage_error('decompress', '--rm', '-c', 'a.dcac'),
                         'dcac: --rm is given with an output on stdout, expected a file\n')
        self.assert_usage_error('compress', '--json', '-c', 'a')
        self.assert_usage_error('compress', '-c', 'a', 'b')
        for verb in ('compress', 'decompress'):
            for files in (('a.dcac', '-'), ('-', 'a.dcac')):
                self.assertEqual(self.assert_usage_error(verb, *files), 'dcac: stdin is given among files, and its '
                                 'output would go to stdout: expected it alone, or -c\n')
        self.assert_usage_error('compress', '-', '-')

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
        for descr, size in (('|u1', 1), ('|i1', 1), ('<u2', 2), ('<i2', 2), ('<f2', 2), ('<f4', 4), ('<u4', 4),
                            ('<i4', 4), ('<u8', 8), ('<i8', 8), ('<f8', 8), ('|b1', 1), ('<c8', 8), ('<c16', 16)):
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


class FormatTest(CliTest):
    """Files of many tensors, and of none."""

    def data_files(self):
        return sorted(path for path in (ROOT / 'tests/data/files').iterdir() if path.suffix != '.py')

    def test_all_formats_come_back_by_file_and_by_pipe(self):
        for path in self.data_files():
            with self.subTest(path.name):
                data = self.write(path.name, path.read_bytes())
                self.dcac('compress', '-q', path.name)
                archive = self.read(f'{path.name}.dcac')
                self.dcac('test', '-q', f'{path.name}.dcac')
                self.assertEqual(self.dcac('decompress', '-q', '-', stdin=archive)[0], data)
                piped = self.dcac('compress', '-q', '-', stdin=data)[0]
                self.assertEqual(self.dcac('decompress', '-q', '-', stdin=piped)[0], data)

    def test_kinds_and_tensors(self):
        known = {'tensor.pt': ('torch', 1), 'dict.pt': ('torch', 4), 'views.pt': ('torch', 5), 'some.npz': ('npz', 3),
                 'compressed.npz': ('npz', 0), 'some.safetensors': ('safetensors', 3)}
        for path in self.data_files():
            if path.name not in known:
                continue
            self.write(path.name, path.read_bytes())
            line = json.loads(self.dcac('compress', '--json', path.name)[0])
            self.assertEqual((line['kind'], line['tensors']), known[path.name], path.name)
            self.assertNotIn('note', line)

    def test_text_and_nothing(self):
        for data in (b'', b'x', b'the same text again and again\n' * 1000):
            with self.subTest(len(data)):
                self.write('a', data)
                self.dcac('compress', '-q', '-f', 'a')
                self.dcac('decompress', '-q', '-f', '-o', 'b', 'a.dcac')
                self.assertEqual(self.read('b'), data)
                self.assertLess(len(self.read('a.dcac')), 200)
                self.assertEqual(self.dcac('compress', '-q', '-', stdin=data)[0], self.read('a.dcac'))

    def test_long_pipe(self):
        data = bytes(range(256)) * (33 << 12)  # 33 MiB
        archive = self.dcac('compress', '-q', '-', stdin=data)[0]
        self.assertEqual(self.dcac('decompress', '-q', '-', stdin=archive)[0], data)
        self.write('a.dcac', archive)
        self.assertEqual(json.loads(self.dcac('list', '--json', 'a.dcac')[0])['raw_bytes'], len(data))
        for cut in (1, 20, len(archive) // 2):
            self.dcac('test', '-', stdin=archive[:-cut], expect=CORRUPT)

    def test_hostile_pickle_is_kept_as_bytes_and_named(self):
        with zipfile.ZipFile(self.folder / 'evil.pt', 'w') as file:
            file.writestr('evil/data.pkl', b'\x80\x02cposix\nsystem\nX\x0a\0\0\0touch ruin\x85R.')
        line = json.loads(self.dcac('compress', '--json', 'evil.pt')[0])
        self.assertEqual(line['kind'], 'bytes')
        self.assertEqual(line['note'], 'pickle names the global posix.system, which is not allowed')
        self.dcac('decompress', '-q', '-o', 'b', 'evil.pt.dcac')
        self.assertEqual(self.read('b'), self.read('evil.pt'))
        self.assertNotIn('ruin', self.names())


class ExtractTest(CliTest):
    def write_archive(self, name):
        self.write(name, (ROOT / 'tests/data/files' / name).read_bytes())
        self.dcac('compress', '-q', name)

    def test_tensors_by_name_and_pattern(self):
        self.write_archive('some.npz')
        self.write_archive('dict.pt')
        with zipfile.ZipFile(self.folder / 'some.npz') as file:
            features = file.read('features.npy')
        self.dcac('decompress', '-q', '--tensor=features.npy', 'some.npz.dcac')
        self.assertEqual(self.read('some.npz.features.npy'), features)
        self.assertEqual(self.dcac('decompress', '-q', '-c', '--tensor', 'features*', 'some.npz.dcac')[0], features)
        self.dcac('decompress', '--tensor=model.*.bias', '--tensor=model.layer2[0]', 'dict.pt.dcac')
        self.assertEqual([n for n in self.names() if n.startswith('dict.pt.m')],
                         ['dict.pt.model.layer1.bias.npy', 'dict.pt.model.layer2[0].npy'])
        self.assertEqual(self.read('dict.pt.model.layer2[0].npy'),
                         npy('<i8', (20,), struct.pack('<20q', *range(20))))

    def test_tensors_of_one_output_are_refused(self):
        with zipfile.ZipFile(self.folder / 'c.npz', 'w') as file:
            for name in ('a/b.npy', 'a_b.npy', 'c.npy'):
                file.writestr(name, npy('|u1', (2, 8, 8), smooth_samples(128, len(name))))
        self.dcac('compress', '-q', 'c.npz')
        before = self.names()
        stderr = self.dcac('decompress', '-f', '--tensor=*', 'c.npz.dcac', expect=FAILED)[1]
        self.assertEqual(stderr, 'dcac: c.npz.dcac: c.npz.a_b.npy: is the output of another tensor too, expected one; '
                                 'take either by its name, with -o\n')
        self.assertEqual(self.names(), before)
        self.dcac('decompress', '-f', '--tensor=c*', '--tensor=a/b.npy', 'c.npz.dcac')
        self.dcac('decompress', '-f', '--tensor=a_b.npy', 'c.npz.dcac')

    def test_name_takes_no_file_away(self):
        for name in ('some.npz', 'compressed.npz'):
            self.write_archive(name)
        stderr = self.dcac('decompress', '-q', '--tensor', 'ids.npy', 'some.npz.dcac', 'compressed.npz.dcac',
                           expect=FAILED)[1]
        self.assertEqual(stderr, 'dcac: compressed.npz.dcac: has no tensor ids.npy, it has no tensors\n')
        self.assertIn('some.npz.ids.npy', self.names())

    def test_unknown_names_are_told_with_the_known_ones(self):
        self.write_archive('some.npz')
        stderr = self.dcac('decompress', '--tensor=none', 'some.npz.dcac', expect=FAILED)[1]
        self.assertEqual(stderr, 'dcac: some.npz.dcac: has no tensor none, it has the tensors features.npy, ids.npy, '
                                 'fortran.npy\n')
        stderr = self.dcac('decompress', '--planes=0:1', 'some.npz.dcac', expect=FAILED)[1]
        self.assertIn('expected one or --tensor=NAME', stderr)
        stderr = self.dcac('decompress', '-c', '--tensor=*', 'some.npz.dcac', expect=FAILED)[1]
        self.assertIn('-o or -c is given for 3 tensors', stderr)

    def test_slices_are_those_of_the_array(self):
        shape = (3, 8, 16, 16)
        self.write_map(shape=shape)
        samples = self.read('a.npy')[128:]
        self.dcac('compress', '--layout=nchw', '--segment-bytes=4096', 'a.npy')

        def expected(items, planes, rows):
            cut = b''.join(samples[((i * 8 + p) * 16 + r) * 16:((i * 8 + p) * 16 + r + 1) * 16]
                           for i in range(3)[items] for p in range(8)[planes] for r in range(16)[rows])
            return npy('|u1', (len(range(3)[items]), len(range(8)[planes]), len(range(16)[rows]), 16), cut)

        for options, parts in ((['--planes=2:5'], (slice(None), slice(2, 5), slice(None))),
                               (['--rows=:4', '--items=1:'], (slice(1, None), slice(None), slice(None, 4))),
                               (['--items=2', '--planes=7:99', '--rows=15:16'],
                                (slice(2, 3), slice(7, 8), slice(15, 16)))):
            with self.subTest(options):
                self.assertEqual(self.dcac('decompress', '-q', '-c', *options, 'a.npy.dcac')[0], expected(*parts))
        self.dcac('decompress', '-o', 'b', '--planes=8:', 'a.npy.dcac', expect=FAILED)
        self.assertNotIn('b', self.names())

    def test_an_array_in_fortran_order_keeps_its_axes(self):
        shape = (16, 12, 6)

        def cut(first, second, third):
            return b''.join(struct.pack('<H', a + 20 * b + 400 * c)
                            for c in range(6)[third] for b in range(12)[second] for a in range(16)[first])

        whole = self.write('a.npy', fortran_npy('<u2', shape, cut(slice(None), slice(None), slice(None))))
        self.dcac('compress', '--layout=nchw', 'a.npy')
        with zipfile.ZipFile(self.folder / 'b.npz', 'w') as file:
            file.writestr('other.npy', npy('<u2', (2, 2), bytes(8)))
            file.writestr('a.npy', whole)
        self.dcac('compress', '--layout=nchw', 'b.npz')
        extracted = self.dcac('decompress', '-c', '--tensor=a.npy', 'b.npz.dcac')[0]
        self.assertEqual(extracted, whole)
        for archive in (['a.npy.dcac'], ['b.npz.dcac', '--tensor=a.npy']):
            self.assertEqual(self.dcac('decompress', '-c', '--planes=2:5', '--rows=:4', *archive)[0],
                             fortran_npy('<u2', (16, 4, 3, 1), cut(slice(None), slice(4), slice(2, 5))))

    def test_slices_read_only_their_segments(self):
        # 512 planes of 16 KiB; noise, so that what is stored tells what is read.
        planes, plane = 512, 128 * 128
        samples = random.Random(3).randbytes(planes * plane)
        self.write('a.npy', npy('|u1', (1, planes, 128, 128), samples))
        self.dcac('compress', '-q', '-1', '--layout=nchw', '--segment-bytes=16384', 'a.npy')
        total = json.loads(self.dcac('list', '--json', 'a.npy.dcac')[0])
        line = json.loads(self.dcac('decompress', '--json', '-o', 'b.npy', '--planes=200:208', 'a.npy.dcac')[0])
        self.assertEqual(line['shape'], [1, 8, 128, 128])
        self.assertEqual(self.read('b.npy')[128:], samples[200 * plane:208 * plane])
        self.assertLess(line['read_bytes'], total['compressed_bytes'] / 20)
        self.assertLess(line['decoded_segments'], total['segments'] / 20)

    def test_wrong_uses(self):
        self.write_map()
        self.dcac('compress', 'a.npy')
        for options in (['--planes=x'], ['--planes=1:2:3'], ['--rows=-1:'], ['--items=']):
            self.dcac('decompress', *options, 'a.npy.dcac', expect=USAGE)
        self.dcac('decompress', '--rm', '--planes=0:1', '-o', 'b', 'a.npy.dcac', expect=USAGE)
        self.assertIn('without a name', self.dcac('decompress', '--planes=0:1', 'a.npy.dcac', expect=FAILED)[1])
        self.assertIn('is no regular file', self.dcac('decompress', '-c', '--planes=0:1', '-',
                                                      stdin=self.read('a.npy.dcac'), expect=FAILED)[1])


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

    def test_rm_needs_an_output_that_can_be_read_again(self):
        data = self.write_map()
        os.mkfifo(self.folder / 'pipe')
        self.dcac('compress', '-k', 'a.npy')
        for verb, file in (('compress', 'a.npy'), ('decompress', 'a.npy.dcac')):
            for output in ('/dev/null', 'pipe'):
                self.assertEqual(self.dcac(verb, '--rm', '-o', output, file, expect=FAILED)[1],
                                 f'dcac: {file}: {output}: is no regular file, expected one for --rm\n')
        self.assertEqual(self.read('a.npy'), data)
        self.assertIn('a.npy.dcac', self.names())

    def test_lost_results_are_a_failure(self):
        self.write_map()
        self.dcac('compress', '-q', 'a.npy')
        for arguments in (['list', 'a.npy.dcac'], ['list', '--json', 'a.npy.dcac'], ['test', '-v', 'a.npy.dcac'],
                          ['diff', '-v', 'a.npy', 'a.npy.dcac'], ['explain', 'a.npy'], ['compress', '-f', 'a.npy'],
                          ['compress', '-f', '--json', 'a.npy'], ['decompress', '-f', 'a.npy.dcac'], ['help'],
                          ['compress', '--help'], ['--version'], ['completion', 'bash']):
            with self.subTest(arguments), open('/dev/full', 'wb') as full:
                result = subprocess.run([DCAC, *arguments], cwd=self.folder, stdout=full, stderr=subprocess.PIPE,
                                        timeout=120)
                self.assertEqual((result.returncode, result.stderr.decode()),
                                 (FAILED, 'dcac: standard output: No space left on device\n'))

    def test_signal_removes_the_temporary(self):
        os.mkfifo(self.folder / 'pipe')
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXCPU):
            process = subprocess.Popen([DCAC, 'compress', '-o', 'b', 'pipe'], cwd=self.folder, preexec_fn=no_core)
            # For reading too: opening for writing alone would wait for a program that has ended.
            with open(os.open(self.folder / 'pipe', os.O_RDWR), 'wb') as pipe:
                pipe.write(npy('|u1', (4096,), b'x'))
                pipe.flush()
                self.wait_for(lambda: len(self.names()) == 2)
                process.send_signal(number)
                self.assertEqual(process.wait(60), -number)
            self.assertEqual(self.names(), ['pipe'])

    def test_no_file_takes_the_place_of_a_closed_stream(self):
        os.mkfifo(self.folder / 'pipe')
        process = subprocess.Popen([DCAC, 'compress', '-o', 'b', 'pipe'], cwd=self.folder, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: os.close(1))
        with open(self.folder / 'pipe', 'wb') as pipe:
            self.wait_for(lambda: len(self.names()) == 2)
            self.assertEqual(os.readlink(f'/proc/{process.pid}/fd/1'), '/dev/null')
            pipe.write(b'x')
        self.assertEqual(process.communicate()[1], b'dcac: standard output: Bad file descriptor\n')
        self.assertEqual(process.returncode, FAILED)
        self.dcac('test', 'b')
        result = subprocess.run([DCAC, 'compress', '-o', 'c', '-'], cwd=self.folder, stderr=subprocess.PIPE,
                                preexec_fn=lambda: os.close(0))
        self.assertEqual((result.returncode, result.stderr), (FAILED, b'dcac: stdin: cannot read: Bad file descriptor\n'))

    def test_limit_of_file_sizes_leaves_no_temporary(self):
        self.write('a', random.Random(5).randbytes(1 << 20))

        def limit():
            no_core()
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

        result = subprocess.run([DCAC, 'compress', 'a'], cwd=self.folder, preexec_fn=limit)
        self.assertEqual(result.returncode, -signal.SIGXFSZ)
        self.assertEqual(self.names(), ['a'])

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
    def test_what_is_no_tensor_is_kept_and_the_reason_is_told(self):
        for data, note in ((npy('>f8', (2,), bytes(16)), "samples are '>f8', expected little-endian numbers"),
                           (npy('|u1', (9,), bytes(8)), 'holds 136 bytes, expected 137 for shape [9] of u8')):
            self.write('a', data)
            stdout = self.dcac('compress', '-f', '-v', 'a')[0].decode()
            self.assertIn(f', bytes ({note}), ', stdout)
            self.dcac('decompress', '-o', 'b', 'a.dcac')
            self.assertEqual(self.read('b'), data)
            (self.folder / 'b').unlink()

    def test_huge_shape_in_a_small_file(self):
        self.write('a.npy', npy('<f4', (1 << 40, 1 << 20), b'x'))
        self.dcac('compress', 'a.npy')
        self.dcac('test', 'a.npy.dcac')
        self.dcac('compress', '-o', 'b', '-', stdin=self.read('a.npy'), expect=FAILED)
        self.assertEqual(self.names(), ['a.npy', 'a.npy.dcac'])

    def test_every_prefix_of_an_archive(self):
        self.write_map(shape=(1, 2, 8, 8))
        self.dcac('compress', 'a.npy')
        archive = self.read('a.npy.dcac')
        for length in range(len(archive)):
            with self.subTest(length):
                self.assertEqual(self.dcac('decompress', '-q', '-', stdin=archive[:length], expect=CORRUPT)[1].count('\n'), 1)

    def test_flipped_bits(self):
        self.write_map(shape=(1, 2, 8, 8))
        self.dcac('compress', 'a.npy')
        archive = self.read('a.npy.dcac')
        source = random.Random(7)
        # The heads of archive and frame have values that a later version may have: version, kind, type, layout, flags.
        heads = range(8 * 20)
        for bit in [*heads, *(source.randrange(8 * len(archive)) for _ in range(60))]:
            flipped = bytearray(archive)
            flipped[bit // 8] ^= 1 << bit % 8
            with self.subTest(bit=bit):
                self.dcac('decompress', '-q', '-', stdin=bytes(flipped), expect=CORRUPT)

    def test_a_damaged_version_is_corrupt_for_every_verb(self):
        self.write_map()
        self.dcac('compress', 'a.npy')
        archive = bytearray(self.read('a.npy.dcac'))
        archive[4] ^= 2
        self.write('b.dcac', archive)
        for verb in (['decompress'], ['decompress', '--rows=0:1', '-c'], ['test'], ['list'], ['explain']):
            with self.subTest(verb):
                self.dcac(*verb, 'b.dcac', expect=CORRUPT)

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
        name = 'e\x1b[31m\nfake.dcac: OK.npy'
        self.write_map(name)
        shown = 'e [31m fake.dcac: OK.npy'
        for verb, file in (('compress', name), ('test', f'{name}.dcac'), ('list', f'{name}.dcac'), ('explain', name),
                           ('decompress', f'{name}.dcac')):
            stdout = self.dcac(verb, *(['-f'] if verb == 'decompress' else []), file)[0].decode()
            self.assertTrue(stdout.startswith(shown), stdout)
            self.assertNotIn('\x1b', stdout)
            self.assertNotIn('\nfake', stdout)

    def test_folder(self):
        (self.folder / 'sub').mkdir()
        self.assertEqual(self.dcac('compress', 'sub', expect=FAILED)[1],
                         'dcac: sub: is a directory, expected a file\n')


class FolderOptionsTest(CliTest):
    def test_pattern_takes_no_folder_away(self):
        for name in ('a', 'b'):
            (self.folder / name).mkdir()
            (self.folder / name / 'x').write_bytes(b'text')
        self.dcac('compress', '-q', '-r', '--exclude', '*.tmp', '--exclude=y', 'a', 'b')
        self.assertTrue((self.folder / 'a/x.dcac').exists() and (self.folder / 'b/x.dcac').exists())


class JsonTest(CliTest):
    def lines(self, *arguments, expect=OK):
        return [json.loads(line) for line in self.dcac(*arguments, expect=expect)[0].splitlines()]

    def test_compress_and_decompress(self):
        data = self.write_map()
        compressed, = self.lines('compress', '--json', 'a.npy')
        size = len(self.read('a.npy.dcac'))
        self.assertGreater(compressed.pop('compress_mb_per_s'), 0)
        self.assertEqual(compressed, {'file': 'a.npy', 'output': 'a.npy.dcac', 'kind': 'npy', 'tensors': 1,
                                      'dtype': 'u8', 'layout': 'nchw', 'shape': [1, 8, 16, 16], 'level': 5, 'mode': 'ls', 'file_bytes': len(data), 'raw_bytes': 2048,
                                      'compressed_bytes': size, 'ratio': 2048 / size})
        restored, = self.lines('decompress', '--json', '-f', 'a.npy.dcac')
        self.assertGreater(restored.pop('decompress_mb_per_s'), 0)
        self.assertEqual(restored, {'file': 'a.npy.dcac', 'output': 'a.npy', 'kind': 'npy', 'tensors': 1, 'dtype': 'u8',
                                    'layout': 'nchw', 'shape': [1, 8, 16, 16], 'file_bytes': len(data), 'raw_bytes': 2048, 'compressed_bytes': size})

    def test_failures(self):
        self.write('bad.dcac', b'no archive')
        failed, = self.lines('test', '--json', 'bad.dcac', expect=CORRUPT)
        self.assertEqual(failed, {'file': 'bad.dcac', 'error': 'is no dcac archive', 'status': 'DATA_LOSS'})

    def test_list(self):
        self.write_map()
        self.dcac('compress', 'a.npy')
        listed, = self.lines('list', '--json', 'a.npy.dcac')
        self.assertEqual(set(listed), {'file', 'kind', 'tensors', 'dtype', 'layout', 'shape', 'raw_bytes', 'ratio',
                                       'compressed_bytes', 'segments', 'segments_by_method', 'digest'})
        self.assertEqual((listed['kind'], listed['raw_bytes'], listed['segments']), ('npy', 2048, 1))

    def test_bench(self):
        self.write_map()
        measured = self.lines('bench', '--json', '--against=zstd-1,lz4,memcpy', 'a.npy')
        self.assertEqual([m['codec'] for m in measured], ['dcac-5', 'zstd-1', 'lz4', 'memcpy'])
        for m in measured:
            self.assertLessEqual({'file', 'codec', 'dtype', 'raw_bytes', 'compressed_bytes', 'compress_mb_per_s',
                                  'compress_mb_per_s_best', 'decompress_mb_per_s', 'decompress_mb_per_s_best',
                                  'compress_page_faults', 'decompress_page_faults', 'peak_memory_bytes'}, set(m))
            self.assertGreaterEqual(m['runs'], 5)
            self.assertGreaterEqual(m['compress_mb_per_s_best'], m['compress_mb_per_s'])
            self.assertEqual(list(m['decompress_relative_speed']), ['zstd-1', 'lz4', 'memcpy'])

    def test_bench_summary(self):
        """Files of a type are summarised codec by codec, small ones left out."""
        self.write_map('a.npy')
        self.write_map('b.npy')
        self.write_map('small.npy', (1, 2, 4, 4))
        lines = self.lines('bench', '--json', '--against=zstd-1', '--levels=1,8..9', '--min-runs=1', '--seconds=0',
                           '--min-bytes=1KiB', '--threads=1', '--cpu-time', '--profile-phases', 'a.npy', 'b.npy', 'small.npy')
        codecs = ['dcac-1', 'dcac-8', 'dcac-9', 'zstd-1']
        target = lines[0]['target']
        self.assertEqual([(m.get('file'), m['codec']) for m in lines],
                         [(file, codec) for file in ('a.npy', 'b.npy', None) for codec in codecs])
        for m in lines:
            self.assertEqual(set(m['compress_relative_speed']), {'zstd-1'})
            self.assertEqual('compress_phases' in m, m['codec'] != 'zstd-1')
            for phases in (m[key] for key in ('compress_phases', 'decompress_phases') if key in m):
                self.assertEqual(list(phases), ['search', 'model', 'tokens', 'entropy', 'rest'])
                self.assertAlmostEqual(sum(phases.values()), 1, delta=0.01)
        for m in lines[8:]:
            self.assertEqual((m['dtype'], m['files'], m['raw_bytes'], m['target']), ('u8', 2, 4096, target))
            self.assertGreater(m['ratio_geomean'], 0)
            self.assertGreater(m['decompress_mb_per_s_median'], 0)
        text = self.dcac('bench', '--against=zstd-1', 'a.npy', 'b.npy')[0].decode()
        self.assertIn('\nall u8: 2 files, 4096 bytes', text)

    def test_bench_target(self):
        self.write_map()
        stderr = self.dcac('bench', '--target=MMX', 'a.npy', expect=USAGE)[1]
        for target in stderr.split('expected one of ')[1].strip().split(', '):
            measured = self.lines('bench', '--json', '--against=lz4', '--min-runs=1', '--seconds=0',
                                  f'--target={target}', 'a.npy')
            self.assertEqual([m['target'] for m in measured], [target, target])

    def test_bench_options_that_do_not_go_together(self):
        self.write_map()
        for options, message in ((['--profile-phases', '--threads=2'], 'expected --threads=1'),
                                 (['--target=MMX'], "SIMD target 'MMX', expected one of "),
                                 (['--levels=5..3'], '--levels=5..3: expected levels such as 1,3,5 or 1..9'),
                                 (['--levels=0'], 'expected levels'), (['--levels=1,,2'], 'expected levels')):
            self.assertIn(message, self.dcac('bench', *options, 'a.npy', expect=USAGE)[1])


    def test_simd_target_is_chosen_by_the_environment(self):
        self.write_map()
        with_best = self.dcac('compress', '-c', 'a.npy')[0]
        self.assertEqual(self.dcac('compress', '-c', 'a.npy', environment={'DCAC_TARGET': 'SCALAR'})[0], with_best)
        stderr = self.dcac('compress', 'a.npy', environment={'DCAC_TARGET': 'MMX'}, expect=USAGE)[1]
        self.assertRegex(stderr, r"\Adcac: DCAC_TARGET: SIMD target 'MMX', expected one of [^\n]+\n\Z")


class ServerTest(CliTest):
    def test_no_server_ends_with_4(self):
        self.write_map()
        for verb in ('compress', 'decompress', 'test'):
            stderr = self.dcac(verb, '--server=unix:/nonexistent/socket', 'a.npy', expect=SERVER)[1]
            self.assertRegex(stderr, r'\Adcac: unix:/nonexistent/socket: [^\n]+\n\Z')
        self.assertEqual(self.names(), ['a.npy'])


class ProgressTest(CliTest):
    def compress_on_terminal(self, *options):
        self.write_map()
        return self.dcac_on_terminal('compress', '-f', *options, 'a.npy')

    def test_bar_is_for_terminals_and_can_be_turned_off(self):
        self.assertIn(b'%', self.compress_on_terminal())
        self.assertEqual(self.compress_on_terminal('-q'), b'')
        self.assertEqual(self.compress_on_terminal('--json'), b'')


if __name__ == '__main__':
    DCAC = os.path.abspath(sys.argv.pop(1))
    unittest.main()
