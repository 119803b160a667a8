#!/usr/bin/env python3
"""explain_page_test.py DCAC: opens the page of `dcac explain --html` in headless Chromium.

Exit status 77 (skipped) where no Chromium is installed.
"""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

from explain_test import DATA, safetensors

DCAC = None
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
ATTACK = '</script><img src=x onerror="document.title=\'attacked\'"><!--<script>'


def smooth(count, seed):
    """Bytes that a model beats zstd on."""
    value, state, out = 100, seed, bytearray()
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        value = (value + (state >> 24) % 7 - 3) % 256
        out.append(value)
    return bytes(out)


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def page_of(self, *files):
        page = self.folder / 'page.html'
        subprocess.run([DCAC, 'explain', '--html', '-f', '-o', page, *files], check=True, timeout=300)
        return page

    def render(self, page):
        """The document after its scripts have run."""
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as profile:
            result = subprocess.run(
                [CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
                 f'--user-data-dir={profile}', '--window-size=1400,1000', '--virtual-time-budget=20000', '--dump-dom',
                 page.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=240,
                env={**os.environ, 'DBUS_SESSION_BUS_ADDRESS': 'disabled:'})
        self.assertEqual(result.returncode, 0)
        return result.stdout.decode()

    def attribute(self, document, name):
        body = re.search(r'<body[^>]*>', document).group(0)
        found = re.search(rf'data-{name}="([^"]*)"', body)
        return found and found.group(1)

    def check_drawn(self, document, rows):
        self.assertEqual(self.attribute(document, 'errors'), '0', self.attribute(document, 'first-error'))
        self.assertEqual(self.attribute(document, 'rows'), str(rows))
        table = re.search(r'<table id="tensors">.*?</table>', document, re.DOTALL).group(0)
        self.assertEqual(table.split('<tbody>')[1].count('<tr'), rows)

    def test_tables_and_charts_are_drawn(self):
        maps = sorted(DATA.glob('*.npy'))
        page = self.page_of(DATA / 'esrgan-up2.u8.npy', *maps)
        document = self.render(page)
        self.check_drawn(document, 1 + len(maps))
        self.assertGreaterEqual(int(self.attribute(document, 'charts')), 1)
        self.assertIn('<canvas', document)
        self.assertIn('<title>dcac explain: ', document)

    def test_the_heat_map_has_the_references(self):
        document = self.render(self.page_of(DATA / 'esrgan-up2.u8.npy'))
        self.check_drawn(document, 1)
        self.assertEqual(self.attribute(document, 'charts'), '2')
        self.assertGreater(int(self.attribute(document, 'heat-cells')), 20)

    def test_nothing_is_loaded_from_elsewhere(self):
        text = self.page_of(DATA / 'esrgan-up2.u8.npy').read_text()
        self.assertNotRegex(text, r'https?://|//[a-z]+\.|@import|url\(|<link|<iframe|<object')
        self.assertIn("default-src 'none'", text)

    def test_hostile_names_stay_text(self):
        file = self.folder / 'hostile & <b>.safetensors'
        file.write_bytes(safetensors([(ATTACK, [1, 3, 16, 16], smooth(768, 1)), ('__proto__', [1, 3, 16, 16], smooth(768, 2)),
                                      ('\u2028"\\u003c\n', [4, 4], smooth(16, 3))]))
        page = self.page_of(file)
        self.assertEqual(page.read_text().count('</script>'), 2)
        document = self.render(page)
        self.check_drawn(document, 3)
        self.assertNotIn('<title>attacked', document)
        self.assertNotIn('<img', document)
        self.assertIn('&lt;/script&gt;&lt;img src=x', document)

    def test_many_tensors_and_planes_are_bounded(self):
        file = self.folder / 'many.safetensors'
        planes = smooth(2000 * 16, 9)
        file.write_bytes(safetensors([('wide', [1, 2000, 4, 4], planes)] +
                                     [(f'layer.{i}', [1, 2, 4, 4], planes[i:i + 32]) for i in range(499)]))
        page = self.page_of(file)
        self.assertLess(page.stat().st_size, 2_000_000)
        document = self.render(page)
        self.check_drawn(document, 500)
        self.assertIn('planes in groups of 8', document)

    def test_nothing_to_explain(self):
        empty = self.folder / 'empty.npy'
        empty.write_bytes(b'\x93NUMPY\x01\x00' + struct.pack('<H', 118) +
                          b"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }".ljust(117) + b'\n')
        self.check_drawn(self.render(self.page_of(empty)), 1)


if __name__ == '__main__':
    if CHROMIUM is None:
        print('SKIP: no chromium, chromium-browser or google-chrome is installed', file=sys.stderr)
        sys.exit(77)
    DCAC = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
