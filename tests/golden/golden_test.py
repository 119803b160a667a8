#!/usr/bin/env python3
"""golden_test.py DCAC [TEST...]: old archives decode as ever, with the program and with the reference decoder, and the
sizes of new ones are the expected ones.  After an intended change of the encoder: make_goldens.py."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import golden_files
from golden_files import reference_decoder

DCAC = None


def decode_with_reference(archive):
    return reference_decoder.decode_archive(archive, golden_files.CHECKSUMS)


class ArchivesTest(unittest.TestCase):
    """tests/golden/v1"""

    def test_both_decoders_restore_what_the_manifest_says(self):
        rows = golden_files.read_table(golden_files.MANIFEST, golden_files.MANIFEST_FIELDS)
        self.assertEqual(sorted(row['archive'] for row in rows),
                         sorted(path.name for path in golden_files.GOLDENS.glob('*.dcac')))
        for row in rows:
            path = golden_files.GOLDENS / row['archive']
            for decoder, restored in (('dcac', golden_files.decompress(DCAC, path)),
                                      ('reference', decode_with_reference(path.read_bytes()))):
                with self.subTest(archive=row['archive'], decoder=decoder):
                    self.assertEqual(len(restored), int(row['bytes']))
                    self.assertEqual(golden_files.sha256(restored), row['sha256'])

    def test_the_goldens_show_all_of_the_format(self):
        found = set()
        for path in golden_files.GOLDENS.glob('*.dcac'):
            found |= golden_files.features_of(path.read_bytes())
        self.assertEqual(golden_files.FEATURES - found, set())


class DataTest(unittest.TestCase):
    """tests/data"""

    def test_sizes_are_as_listed_and_the_reference_decoder_restores_the_files(self):
        rows = golden_files.read_table(golden_files.SIZES, golden_files.SIZES_FIELDS)
        listed = {(row['file'], int(row['level'])): int(row['archive_bytes']) for row in rows}
        paths = {path.name: path for path in golden_files.DATA.glob('*.npy')}
        self.assertEqual(sorted(listed), sorted((name, level) for name in paths for level in golden_files.LEVELS))
        for (name, level), size in sorted(listed.items()):
            with self.subTest(file=name, level=level):
                archive = golden_files.compress_data(DCAC, paths[name], level)
                self.assertEqual(len(archive), size)
                self.assertEqual(decode_with_reference(archive), paths[name].read_bytes())


class DocumentTest(unittest.TestCase):
    """The frame in hex of docs/format.md."""

    def setUp(self):
        text = golden_files.DOCUMENT.read_text()
        self.samples = bytes(int(value) for value in golden_files.block_of('samples', text)[1].split())
        self.frame = bytearray()
        for line in golden_files.block_of('frame', text)[1].splitlines():
            field = line.split('#')[0]
            if field.strip():
                offset, data = field.split(':')
                self.assertEqual(int(offset), len(self.frame), line)
                self.frame += bytes.fromhex(data)
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def test_both_decoders_give_the_samples(self):
        path = self.folder / 'example.dcac'
        path.write_bytes(golden_files.archive_of(self.frame))
        self.assertEqual(golden_files.decompress(DCAC, path), self.samples)
        self.assertEqual(decode_with_reference(path.read_bytes()), self.samples)

    def run_reference(self, *arguments):
        program = golden_files.ROOT / 'tests/reference_decoder.py'
        return subprocess.run([sys.executable, program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_the_reference_decoder_is_a_program(self):
        (self.folder / 'frame').write_bytes(self.frame)
        (self.folder / 'archive').write_bytes(golden_files.archive_of(self.frame))
        for arguments in (['--frame', 'frame'], ['archive'], ['--no-checksums', 'archive']):
            out = self.folder / 'out'
            result = self.run_reference(*arguments[:-1], self.folder / arguments[-1], out)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(out.read_bytes(), self.samples)

    def test_the_reference_decoder_notices_every_changed_byte(self):
        for i in range(len(self.frame)):
            changed = bytearray(self.frame)
            changed[i] ^= 1
            with self.assertRaises((reference_decoder.Malformed, reference_decoder.Unsupported), msg=f'byte {i}'):
                reference_decoder.decode_frame(bytes(changed), golden_files.CHECKSUMS)


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    DCAC = sys.argv.pop(1)
    unittest.main()
