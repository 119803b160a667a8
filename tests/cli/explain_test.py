#!/usr/bin/env python3
"""explain_test.py DCAC [TEST...]: `dcac explain` and `dcac list`, which say where the bytes went."""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'
DCAC = None
OK, FAILED, USAGE, CORRUPT = range(4)


def safetensors(tensors):
    """A .safetensors file of u8 tensors: [(name, shape, bytes)]."""
    header, data = {}, b''
    for name, shape, samples in tensors:
        header[name] = {'dtype': 'U8', 'shape': shape, 'data_offsets': [len(data), len(data) + len(samples)]}
        data += samples
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


class ExplainTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        shutil.copy(DATA / 'esrgan-up2.u8.npy', self.folder / 'maps.npy')
        planes = bytes(range(256)) * 4
        (self.folder / 'model.safetensors').write_bytes(
            safetensors([('layer.0', [1, 4, 16, 16], planes), ('layer.1', [2, 512], planes)]))

    def dcac(self, *arguments, expect=OK, stdin=b''):
        result = subprocess.run([DCAC, *arguments], cwd=self.folder, input=stdin, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=300)
        self.assertEqual(result.returncode, expect, f'{arguments}: {result.stderr.decode()}')
        return result.stdout.decode(), result.stderr.decode()

    def json_lines(self, *arguments, **keywords):
        return [json.loads(line) for line in self.dcac(*arguments, **keywords)[0].splitlines()]

    def test_json_adds_up(self):
        tensor, = self.json_lines('explain', '--json', 'maps.npy')
        self.assertEqual((tensor['dtype'], tensor['mode'], tensor['layout']), ('u8', 'ls', 'nchw'))
        self.assertEqual(len(tensor['planes']), 32)
        bits = sum(plane['bits'] for plane in tensor['planes'])
        self.assertAlmostEqual(bits, tensor['sample_bits'], delta=1e-3)
        self.assertAlmostEqual(bits / 8 + tensor['side_bytes'] + tensor['other_bytes'], tensor['compressed_bytes'],
                               delta=1e-3)
        self.assertGreater(tensor['compressed_bytes_without_references'], tensor['compressed_bytes'])
        self.assertTrue(any(plane['references'] for plane in tensor['planes']))
        self.assertEqual(sum(plane['samples'] for plane in tensor['planes']), tensor['raw_bytes'])
        self.assertEqual(tensor['segments'][0]['method'], 'model')

    def test_an_archive_is_explained_as_its_original_is(self):
        self.dcac('compress', '-q', 'maps.npy')
        original, = self.json_lines('explain', '--json', 'maps.npy')
        archive, = self.json_lines('explain', '--json', 'maps.npy.dcac')
        piped, = self.json_lines('explain', '--json', '-', stdin=(self.folder / 'maps.npy.dcac').read_bytes())
        for tensor in (original, archive, piped):
            del tensor['file']
        self.assertEqual(original, archive)
        self.assertEqual(piped, archive)

    def test_text(self):
        text, _ = self.dcac('explain', 'maps.npy', 'model.safetensors')
        self.assertIn('maps.npy: npy, 1 tensor, ', text)
        self.assertIn('model.safetensors: safetensors, 2 tensors, ', text)
        self.assertIn('without references', text)
        self.assertIn('layer.1', text)
        text, _ = self.dcac('explain', '-v', 'maps.npy')
        self.assertRegex(text, r'\n +31 +\d+\.\d{3} +\d+\.\d{3} +-?\d+\.\d % +normal +p\d+')
        self.assertIn('samples coded as: ', text)

    def test_without_comparison(self):
        tensor, = self.json_lines('explain', '--json', '--no-compare', 'maps.npy')
        self.assertNotIn('compressed_bytes_without_references', tensor)
        self.assertNotIn('bits_without_references', tensor['planes'][0])

    def test_groups_of_planes(self):
        tensor, = self.json_lines('explain', '--json', '--max-planes=10', 'maps.npy')
        self.assertEqual([plane['plane_begin'] for plane in tensor['planes']], [0, 4, 8, 12, 16, 20, 24, 28])

    def test_page_is_written_whole_or_not_at_all(self):
        self.dcac('explain', '--html', '-o', 'page.html', 'maps.npy', 'model.safetensors')
        page = (self.folder / 'page.html').read_text()
        self.assertIn('"layer.1"', page)
        self.dcac('explain', '--html', '-o', 'page.html', 'maps.npy', expect=FAILED)
        self.assertEqual((self.folder / 'page.html').read_text(), page)
        self.dcac('explain', '--html', '-f', '-o', 'page.html', 'maps.npy')
        self.assertNotIn('"layer.1"', (self.folder / 'page.html').read_text())
        self.assertTrue(self.dcac('explain', '--html', 'maps.npy')[0].startswith('<!DOCTYPE html>'))

    def test_page_is_none_of_the_files(self):
        self.dcac('compress', '-q', 'maps.npy')
        before = (self.folder / 'maps.npy.dcac').read_bytes()
        (self.folder / 'link').symlink_to('maps.npy.dcac')
        for output in ('maps.npy.dcac', 'link'):
            errors = self.dcac('explain', '--html', '-f', '-o', output, 'maps.npy', 'maps.npy.dcac', expect=FAILED)[1]
            self.assertEqual(errors, 'dcac: maps.npy.dcac: is input and output, expected two files\n')
            self.assertEqual((self.folder / 'maps.npy.dcac').read_bytes(), before)

    def test_a_failed_file_is_told_on_the_page(self):
        page, errors = self.dcac('explain', '--html', 'maps.npy', 'missing.npy', expect=FAILED)
        self.assertIn('missing.npy failed', page)
        self.assertIn('dcac: missing.npy: ', errors)

    def test_wrong_use(self):
        self.dcac('explain', '--html', '--json', 'maps.npy', expect=USAGE)
        self.dcac('explain', '-o', 'page.html', 'maps.npy', expect=USAGE)
        self.dcac('compress', '-q', 'maps.npy')
        archive = bytearray((self.folder / 'maps.npy.dcac').read_bytes())
        archive[len(archive) // 2] ^= 1
        (self.folder / 'maps.npy.dcac').write_bytes(archive)
        self.dcac('explain', 'maps.npy.dcac', expect=CORRUPT)

    def test_list_shows_every_tensor(self):
        self.dcac('compress', '-q', 'maps.npy', 'model.safetensors')
        listed, = self.json_lines('list', '--json', 'model.safetensors.dcac')
        self.assertEqual([tensor['name'] for tensor in listed['tensors']], ['layer.0', 'layer.1'])
        self.assertEqual(listed['tensors'][0]['shape'], [1, 4, 16, 16])
        explained, = self.json_lines('explain', '--json', '--no-compare', 'maps.npy.dcac')
        tensor, = self.json_lines('list', '--json', 'maps.npy.dcac')[0]['tensors']
        for key in ('dtype', 'shape', 'layout', 'mode', 'references_per_plane', 'bits_per_sample', 'raw_bytes',
                    'compressed_bytes', 'ratio'):
            self.assertEqual(tensor[key], explained[key], key)
        text, _ = self.dcac('list', 'maps.npy.dcac', 'model.safetensors.dcac')
        self.assertRegex(text, r'tensor +type +shape +layout +mode +refs/plane +bits/sample +raw +stored +ratio')
        self.assertRegex(text, r'\n  layer.0 +u8 ')
        self.assertIn('model', self.dcac('list', '-v', 'maps.npy.dcac')[0])

    def test_list_reads_no_samples(self):
        self.dcac('compress', '-q', 'maps.npy')
        archive = bytearray((self.folder / 'maps.npy.dcac').read_bytes())
        listed = self.dcac('list', '--json', 'maps.npy.dcac')
        archive[len(archive) * 3 // 4] ^= 1  # in the entropy-coded data
        (self.folder / 'maps.npy.dcac').write_bytes(archive)
        self.assertEqual(self.dcac('list', '--json', 'maps.npy.dcac'), listed)
        self.dcac('test', 'maps.npy.dcac', expect=CORRUPT)


if __name__ == '__main__':
    DCAC = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
