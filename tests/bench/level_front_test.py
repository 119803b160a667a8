#!/usr/bin/env python3
"""level_front.py: the order of levels, table and picture.

    level_front_test.py DCAC
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import level_front

DCAC = ''
DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'


def bench_line(codec, ratio, compress, decompress, dtype='u8', file='a.npy'):
    return {'file': file, 'codec': codec, 'dtype': dtype, 'ratio': ratio,
            'compress_mb_per_s': compress, 'decompress_mb_per_s': decompress,
            'compress_relative_speed': {'zstd-1': compress / 400}, 'decompress_relative_speed': {'zstd-1': decompress / 1000}}


ORDERED = [bench_line('dcac-1', 2.0, 800, 2000), bench_line('dcac-3', 2.3, 400, 1500), bench_line('dcac-9', 2.6, 5, 20),
           bench_line('zstd-1', 1.9, 400, 1000)]


def disorders(lines):
    return [problem for dtype, fronts in level_front.fronts_by_type(lines).items()
            for problem in level_front.disorders(dtype, fronts)]


class OrderTest(unittest.TestCase):
    def test_ordered(self):
        self.assertEqual(disorders(ORDERED), [])

    def test_a_level_that_is_not_smaller(self):
        lines = [*ORDERED]
        lines[1] = bench_line('dcac-3', 2.0, 400, 1500)
        self.assertEqual(disorders(lines), ['u8: dcac-3 is not smaller than dcac-1: ratio 2.0000, 2.0000',
                                            'u8: dcac-3 is beaten by dcac-1 in ratio and both speeds'])

    def test_a_level_that_is_not_faster(self):
        lines = [*ORDERED]
        lines[1] = bench_line('dcac-3', 2.3, 400, 2100)
        self.assertEqual(disorders(lines), ['u8: dcac-1 does not decompress faster than dcac-3: 2000.0 MB/s, 2100.0 MB/s'])

    def test_types_are_apart(self):
        lines = [*ORDERED, bench_line('dcac-1', 3, 1, 1, 'f32'), bench_line('dcac-3', 4, 2, 0.5, 'f32')]
        self.assertEqual(disorders(lines), ['f32: dcac-1 does not compress faster than dcac-3: 1.0 MB/s, 2.0 MB/s'])


class OutputTest(unittest.TestCase):
    def test_table_has_medians_and_geometric_means(self):
        lines = [bench_line('dcac-1', ratio, speed, 10 * speed, file=str(speed))
                 for ratio, speed in ((1, 100), (2, 101), (4, 500))]
        table = level_front.table(level_front.fronts_by_type(lines))
        self.assertIn('| u8 | ratio | compress MB/s | decompress MB/s | compress, times zstd-1 | decompress, times zstd-1 |',
                      table)
        self.assertIn('| dcac-1 | 2.000 | 101 (100 to 500) | 1,010 (1,000 to 5,000) | 0.25 | 1.01 |', table)

    def test_picture_has_all_codecs(self):
        root = xml.etree.ElementTree.fromstring(level_front.picture(level_front.fronts_by_type(ORDERED)))
        words = [element.text for element in root.iter() if element.tag.endswith('text')]
        for word in ('1', '3', '9', 'zstd-1', 'u8, compress', 'u8, decompress'):
            self.assertIn(word, words)

    def test_real_run(self):
        with tempfile.TemporaryDirectory() as folder:
            svg, saved = pathlib.Path(folder, 'a.svg'), pathlib.Path(folder, 'lines')
            command = [sys.executable, level_front.__file__, f'--dcac={DCAC}', '--levels=1,9', '--against=zstd-1',
                       '--min-bytes=0', '--min-runs=1', '--seconds=0', f'--svg={svg}', f'--save={saved}',
                       DATA / 'efflite0-b8d.u8.npy', DATA / 'ppocrdet-s5.bf16.npy']
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertIn(result.returncode, (0, 1), result.stderr)  # the order of single runs is chance
            self.assertIn('| bf16 |', result.stdout)
            self.assertEqual(len(saved.read_text().splitlines()), 6)
            xml.etree.ElementTree.parse(svg)


if __name__ == '__main__':
    DCAC = sys.argv.pop(1)
    unittest.main()
