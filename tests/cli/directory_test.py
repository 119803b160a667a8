#!/usr/bin/env python3
"""directory_test.py DCAC [TEST...]: runs over folders, comparing files, completion in shells."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import cli_test
from cli_test import CORRUPT, FAILED, OK, USAGE, CliTest, npy, smooth_samples

DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'


class FolderTest(CliTest):
    def setUp(self):
        super().setUp()
        (self.folder / 'in' / 'deep' / 'er').mkdir(parents=True)
        (self.folder / 'in' / 'empty').mkdir()
        self.write_map('in/a.npy')
        self.write_map('in/deep/b c.npy', shape=(3, 5))
        self.write('in/deep/er/text\n.txt', b'text\n' * 50)
        self.write('in/nothing', b'')
        (self.folder / 'in' / 'link').symlink_to('deep/er')
        (self.folder / 'in' / 'dangling').symlink_to('nowhere')

    def tree(self, name):
        root = self.folder / name
        return {str(p.relative_to(root)): os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None
                for p in root.rglob('*')}


class TreeTest(FolderTest):
    def test_tree_comes_back(self):
        (self.folder / 'in' / 'a.npy').chmod(0o440)
        (self.folder / 'in' / 'deep').chmod(0o550)
        self.dcac('compress', '-q', '-r', 'in', '-o', 'new/out')
        self.assertEqual(sorted(self.tree('new/out')),
                         ['.dcac-journal', 'a.npy.dcac', 'dangling', 'deep', 'deep/b c.npy.dcac', 'deep/er',
                          'deep/er/text\n.txt.dcac', 'empty', 'link', 'nothing.dcac'])
        self.dcac('test', '-q', '-r', 'new/out')
        self.assertEqual(len(self.dcac('list', '--json', '-r', 'new/out')[0].splitlines()), 4)
        self.dcac('decompress', '-q', '-r', 'new/out', '-o', 'back')
        self.assertEqual(self.tree('back'), self.tree('in'))
        for name in ('a.npy', 'deep', 'deep/b c.npy', 'nothing'):
            old, new = ((self.folder / root / name).stat() for root in ('in', 'back'))
            self.assertEqual(old.st_mode, new.st_mode)
            if not name.endswith('deep'):
                self.assertEqual(old.st_mtime_ns, new.st_mtime_ns)
        for root in ('in', 'new/out', 'back'):
            (self.folder / root / 'deep').chmod(0o750)

    def test_a_named_pipe_in_the_place_of_an_output_is_refused(self):
        self.dcac('compress', '-q', '-r', 'in', '-o', 'out')
        for verb, source, output, name in (('compress', 'in', 'out', 'a.npy.dcac'),
                                           ('decompress', 'out', 'back', 'a.npy')):
            for options in ([], ['-f'], ['--resume']):
                with self.subTest(verb=verb, options=options):
                    shutil.rmtree(self.folder / output, ignore_errors=True)
                    (self.folder / output).mkdir()
                    os.mkfifo(self.folder / output / name)
                    _, stderr = self.dcac(verb, '-r', *options, source, '-o', output, expect=FAILED)
                    self.assertIn(f'{output}/{name}: is no regular file, expected one for -r\n', stderr)
                    self.assertIn('3 files done, 0 were done before, 1 failed', stderr)
            (self.folder / output / name).unlink()
            self.dcac(verb, '-q', '-r', '--resume', source, '-o', output)

    def test_a_named_pipe_in_the_place_of_the_journal_is_refused(self):
        (self.folder / 'out').mkdir()
        os.mkfifo(self.folder / 'out' / '.dcac-journal')
        self.assertIn('out/.dcac-journal: is no regular file',
                      self.dcac('compress', '-r', 'in', '-o', 'out', expect=FAILED)[1])

    def test_beside_the_files(self):
        original = self.tree('in')
        self.dcac('compress', '-q', '-r', '--rm', 'in')
        self.assertEqual(sorted(self.tree('in')),
                         ['.dcac-journal', 'a.npy.dcac', 'dangling', 'deep', 'deep/b c.npy.dcac', 'deep/er',
                          'deep/er/text\n.txt.dcac', 'empty', 'link', 'nothing.dcac'])
        self.dcac('compress', '-q', '-r', 'in')  # archives are left alone
        self.dcac('decompress', '-q', '-r', '--rm', 'in')
        self.assertEqual(self.tree('in'), original)

    def test_exclude(self):
        self.dcac('compress', '-q', '-r', 'in', '-o', 'out', '--exclude=*.txt', '--exclude', 'deep/b*',
                  '--exclude=empty')
        self.assertEqual(sorted(self.tree('out')), ['.dcac-journal', 'a.npy.dcac', 'dangling', 'deep', 'deep/er',
                                                    'link', 'nothing.dcac'])

    def test_several_folders(self):
        shutil.copytree(self.folder / 'in' / 'deep', self.folder / 'two')
        self.dcac('compress', '-q', '-r', 'in', 'two', '-o', 'out')
        self.assertEqual(sorted(p.name for p in (self.folder / 'out').iterdir()), ['in', 'two'])
        stderr = self.dcac('compress', '-q', '-r', 'two', 'in/../two', '-o', 'again', expect=FAILED)[1]
        self.assertIn('is the second folder called two', stderr)

    def test_others_are_done(self):
        os.mkfifo(self.folder / 'in' / 'pipe')
        stderr = self.dcac('compress', '-q', '-r', 'in', 'missing', 'in/a.npy', expect=FAILED)[1]
        self.assertEqual(stderr, 'dcac: in/pipe: is a named pipe, expected a file, folder or link\n'
                                 'dcac: missing: cannot open: No such file or directory\n'
                                 'dcac: in/a.npy: cannot open: Not a directory\n')
        self.assertIn('deep/b c.npy.dcac', self.tree('in'))

    def test_one_name_for_two(self):
        (self.folder / 'in' / 'a.npy.dcac').mkdir()
        stderr = self.dcac('compress', '-q', '-r', 'in', '-o', 'out', expect=FAILED)[1]
        self.assertEqual(stderr, 'dcac: in/a.npy: out/a.npy.dcac: is the output of another entry too, expected one; '
                                 'rename either\n')

    def test_nothing_goes_below_what_is_no_folder(self):
        self.dcac('compress', '-q', '-r', 'in', '-o', 'packed')
        for folder in ('back', 'elsewhere'):
            (self.folder / folder).mkdir()
        (self.folder / 'elsewhere').chmod(0o711)
        (self.folder / 'back' / 'deep').symlink_to('../elsewhere')
        self.write('back/empty', b'a file')
        mode = (self.folder / 'back' / 'empty').stat().st_mode
        stderr = self.dcac('decompress', '-q', '-r', 'packed', '-o', 'back', expect=FAILED)[1]
        self.assertEqual(stderr, ''.join(f'dcac: packed/{name}: back/{name}: exists already and is no folder, expected '
                                         'one or nothing\n' for name in ('deep', 'empty')))
        self.assertEqual(self.tree('elsewhere'), {})
        self.assertEqual((self.folder / 'elsewhere').stat().st_mode & 0o777, 0o711)
        self.assertEqual((self.folder / 'back' / 'empty').stat().st_mode, mode)
        self.assertEqual(self.tree('back')['a.npy'], self.tree('in')['a.npy'])

    def test_output_below_the_input(self):
        for _ in range(2):
            self.dcac('compress', '-q', '-f', '-r', 'in', '-o', 'in/out')
        self.assertNotIn('out/out', self.tree('in'))
        self.assertIn('is input and output', self.dcac('compress', '-r', 'in', '-o', 'in', expect=FAILED)[1])

    def test_usage(self):
        for arguments in (['--resume', 'a'], ['--exclude=x', 'a'], ['-r', '-c', 'in'], ['-r', '-'],
                          ['-r', '-o', '-', 'in']):
            self.dcac('compress', *arguments, expect=USAGE)


class ResumeTest(FolderTest):
    def compress(self, *options, expect=OK):
        """Runs with --json; returns its lines by file, and stderr."""
        stdout, stderr = self.dcac('compress', '--json', '-r', 'in', '-o', 'out', *options, expect=expect)
        return {line['file']: line for line in map(json.loads, stdout.splitlines())}, stderr

    def test_what_is_proven_is_not_read(self):
        self.compress()
        lines, _ = self.compress('--resume')
        self.assertEqual({line['proof'] for line in lines.values()}, {'journal'})
        stderr = self.compress(expect=FAILED)[1]
        self.assertEqual(stderr.count('exists already, expected no file or --force'), 4)

    def test_what_changed_is_done_again(self):
        self.compress()
        self.write_map('in/a.npy', shape=(4, 4))
        self.write_map('in/new.npy')
        (self.folder / 'out' / 'nothing.dcac').unlink()
        lines, _ = self.compress('--resume')
        self.assertEqual(sorted(file for file, line in lines.items() if 'proof' not in line),
                         ['in/a.npy', 'in/new.npy', 'in/nothing'])
        self.dcac('decompress', '-q', '-r', 'out', '-o', 'back')
        self.assertEqual(self.tree('back'), self.tree('in'))

    def test_outputs_without_record_are_compared(self):
        self.compress()
        (self.folder / 'out' / '.dcac-journal').unlink()
        self.write('out/nothing.dcac', b'somebody else')
        lines, stderr = self.compress('--resume', expect=FAILED)
        self.assertEqual([line.get('proof') for line in lines.values()],
                         ['comparison', 'comparison', 'comparison', None])
        self.assertEqual(stderr, 'dcac: in/nothing: out/nothing.dcac: exists already and does not hold this file, '
                                 'expected that, no file or --force\n')
        self.assertEqual(self.read('out/nothing.dcac'), b'somebody else')
        self.compress('--resume', '-f')

    def test_leftovers_are_removed(self):
        self.compress()
        self.write('out/deep/.b c.npy.dcac.dcac-tmp.aB3xyz', b'half')
        self.write('out/deep/.dcac-tmp.txt', b'no leftover')
        self.compress('--resume')
        self.assertNotIn('deep/.b c.npy.dcac.dcac-tmp.aB3xyz', self.tree('out'))
        self.assertIn('deep/.dcac-tmp.txt', self.tree('out'))

    def test_files_that_are_no_leftovers_of_the_run_stay(self):
        self.dcac('compress', '-q', '-r', 'in')
        kept = ('in/.notes.dcac-tmp.AbC123', 'in/.a.npy.dcac-tmp.AbC123', 'in/deep/.a.npy.dcac.dcac-tmp.AbC123')
        for name in kept:
            self.write(name, b"somebody's")
        self.write('in/.a.npy.dcac.dcac-tmp.AbC123', b'half')
        with open(self.folder / 'in' / '.a.npy.dcac.dcac-tmp.XyZ123', 'wb'):  # of a run that is at work
            self.dcac('compress', '-q', '-r', '--resume', 'in')
        for name in kept:
            self.assertEqual(self.read(name), b"somebody's")
        self.assertIn('.a.npy.dcac.dcac-tmp.XyZ123', self.tree('in'))
        self.assertNotIn('.a.npy.dcac.dcac-tmp.AbC123', self.tree('in'))

    def test_journal_of_another_folder(self):
        self.compress('--rm')
        archive = self.read('out/a.npy.dcac')
        (self.folder / 'other\xe9%').mkdir()
        self.write_map('other\xe9%/a.npy', shape=(4, 4))
        arguments = ['compress', '-q', '-r', '--resume', 'other\xe9%', '-o', 'out']
        stderr = self.dcac(*arguments, expect=FAILED)[1]
        self.assertIn(f'out/.dcac-journal: is of a run with FILE={self.folder.resolve()}/in, expected FILE=', stderr)
        self.assertEqual(self.read('out/a.npy.dcac'), archive)
        self.dcac(*arguments[:-1], 'new')
        self.dcac(*arguments[:-1], 'new')

    def test_other_options_are_named(self):
        self.compress()
        stderr = self.compress('--resume', '--level=3', expect=FAILED)[1]
        self.assertIn('out/.dcac-journal: is of a run with --level=5, expected --level=3', stderr)
        self.compress('--resume', '--level=3', '-f')

    def test_damaged_journal(self):
        self.compress()
        journal = bytearray(self.read('out/.dcac-journal'))
        journal[30] ^= 1
        self.write('out/.dcac-journal', journal)
        stderr = self.compress('--resume', expect=CORRUPT)[1]
        self.assertIn('remove the file to let --resume compare every output', stderr)


class DiffTest(CliTest):
    def diff(self, *arguments, expect):
        stdout, stderr = self.dcac('diff', *arguments, expect=expect)
        return stdout.decode(), stderr

    def test_equal_and_different_samples(self):
        samples = bytearray(smooth_samples(24 * 4))
        self.write('a.npy', npy('<i4', (2, 3, 4), bytes(samples)))
        samples[4 * 17] ^= 1
        samples[4 * 21 + 3] = samples[4 * 21 + 3] ^ 0x10
        self.write('b.npy', npy('<i4', (2, 3, 4), bytes(samples)))
        self.dcac('compress', '-q', 'a.npy', 'b.npy')
        for a, b in (('a.npy', 'a.npy.dcac'), ('a.npy.dcac', 'a.npy'), ('a.npy.dcac', 'a.npy.dcac')):
            self.assertEqual(self.diff(a, b, expect=OK), ('', ''))
        for a, b in (('a.npy', 'b.npy'), ('a.npy.dcac', 'b.npy'), ('a.npy.dcac', 'b.npy.dcac')):
            line = json.loads(self.diff('--json', a, b, expect=FAILED)[0])
            self.assertEqual((line['outcome'], line['samples'], line['differing_samples'], line['first_difference'],
                              line['max_abs_difference']), ('different', 24, 2, [1, 1, 1], 2.0 ** 28))

    def test_types_and_shapes(self):
        self.write('a.npy', npy('|u1', (4,), b'abcd'))
        self.write('b.npy', npy('|u1', (2, 2), b'abcd'))
        self.assertEqual(self.diff('a.npy', 'b.npy', expect=FAILED)[0], 'a.npy b.npy: u8 [4] and u8 [2, 2]\n')

    def test_tensors_by_name(self):
        first, second = str(DATA / 'files' / 'some.npz'), str(DATA / 'files' / 'some.safetensors')
        self.dcac('compress', '-q', '-o', 'archive', first)
        self.assertEqual(self.diff(first, 'archive', expect=OK)[0], '')
        lines = [json.loads(line) for line in self.diff('--json', 'archive', second, expect=FAILED)[0].splitlines()]
        self.assertIn(('features.npy', 'only_in_first'), {(line['tensor'], line['outcome']) for line in lines})
        self.assertIn(('features', 'only_in_second'), {(line['tensor'], line['outcome']) for line in lines})

    def test_other_files(self):
        self.write('a', b'some text\n' * 100)
        self.write('b', b'some text\n' * 99 + b'some Text\n')
        self.dcac('compress', '-q', 'a')
        self.assertEqual(self.diff('a', 'a.dcac', expect=OK), ('', ''))
        self.assertEqual(self.diff('a.dcac', 'b', expect=FAILED)[0],
                         'a.dcac b: 1 of 1000 bytes differ, the first at [995]\n')

    def test_folders(self):
        (self.folder / 'a' / 'b').mkdir(parents=True)
        self.write_map('a/b/c.npy')
        (self.folder / 'a' / 'link').symlink_to('b')
        self.dcac('compress', '-q', '-r', 'a', '-o', 'z')
        self.assertEqual(self.diff('-r', 'a', 'z', expect=OK), ('', ''))
        self.write('z/d', b'')
        self.write_map('a/b/c.npy', shape=(2, 2))
        self.assertEqual(self.diff('-r', 'a', 'z', expect=FAILED)[0],
                         'a/b/c.npy z/b/c.npy.dcac: u8 [2, 2] and u8 [1, 8, 16, 16]\n'
                         'z/d: only in the second folder\n')

    def test_order_of_axes(self):
        def order(name, shape, samples, fortran_order):
            text = f"{{'descr': '<u2', 'fortran_order': {fortran_order}, 'shape': {shape!r}, }}"
            self.write(name, npy('', (), b''.join(value.to_bytes(2, 'little') for value in samples), text))
        rows, columns = range(6), (0, 3, 1, 4, 2, 5)
        order('c', (2, 3), rows, False)
        order('f', (2, 3), columns, True)
        order('transposed', (3, 2), columns, False)
        order('changed', (2, 3), (0, 3, 1, 4, 9, 5), True)
        self.dcac('compress', '-q', 'c', 'f', 'transposed')
        for a in ('c', 'f', 'c.dcac', 'f.dcac'):
            for b in ('c', 'f', 'c.dcac', 'f.dcac'):
                self.assertEqual(self.diff(a, b, expect=OK), ('', ''))
            self.assertEqual(self.diff(a, 'transposed.dcac', expect=FAILED)[0],
                             f'{a} transposed.dcac: u16 [2, 3] and u16 [3, 2]\n')
            for first, second in ((a, 'changed'), ('changed', a)):
                self.assertEqual(self.diff(first, second, expect=FAILED)[0],
                                 f'{first} {second}: 1 of 6 samples differ, '
                                 'the first at [0, 2], by at most 7\n')

    def test_archives_beside_what_they_are_named_after(self):
        for folder in ('a', 'b'):
            (self.folder / folder / 'x').mkdir(parents=True)
            self.write(f'{folder}/x.dcac', folder.encode())
            self.write(f'{folder}/y', b'same')
            self.write(f'{folder}/y.dcac', folder.encode())
        self.assertEqual(self.diff('-r', 'a', 'b', expect=FAILED)[0],
                         'a/x.dcac b/x.dcac: 1 of 1 bytes differ, the first at [0]\n'
                         'a/y.dcac b/y.dcac: 1 of 1 bytes differ, the first at [0]\n')

    def test_archive_beside_its_source(self):
        for folder in ('a', 'b'):
            (self.folder / folder).mkdir()
            self.write_map(f'{folder}/c.npy')
        self.dcac('compress', '-q', 'b/c.npy')
        for first, second in ('ab', 'ba'):
            self.assertEqual(self.diff('-r', first, second, expect=OK), ('', ''))

    def test_what_cannot_be_compared(self):
        for folder in ('a', 'b'):
            (self.folder / folder).mkdir()
            os.mkfifo(self.folder / folder / 'pipe')
        self.assertEqual(self.diff('-r', 'a', 'b', expect=FAILED),
                         ('', ''.join(f'dcac: {folder}/pipe: is a named pipe, expected a file, folder or link\n'
                                      for folder in 'ab')))

    def test_damage_that_digests_do_not_show(self):
        self.write_map()
        self.dcac('compress', '-q', 'a.npy')
        archive = bytearray(self.read('a.npy.dcac'))
        archive[-20] ^= 1
        self.write('damaged', archive)
        for first in ('a.npy', 'a.npy.dcac'):
            stderr = self.diff(first, 'damaged', expect=CORRUPT)[1]
            self.assertRegex(stderr, rf'\Adcac: {first}: damaged: [^\n]*checksum[^\n]*\n\Z')
            self.assertRegex(self.diff('damaged', first, expect=CORRUPT)[1], r'\Adcac: damaged: (?!a)[^\n]*\n\Z')

    def test_trouble(self):
        self.write_map()
        self.assertEqual(self.diff('a.npy', 'missing', expect=FAILED)[1],
                         'dcac: a.npy: missing: cannot open: No such file or directory\n')
        self.dcac('compress', '-q', 'a.npy')
        archive = bytearray(self.read('a.npy.dcac'))
        archive[len(archive) // 2] ^= 1
        self.write('damaged', archive)
        self.diff('a.npy', 'damaged', expect=CORRUPT)
        self.diff('a.npy', expect=USAGE)
        self.diff('a.npy', '-', expect=USAGE)


class CompletionTest(CliTest):
    def script(self, shell):
        if shutil.which(shell) is None:
            self.skipTest(f'no {shell}')
        return self.write('script', self.dcac('completion', shell)[0]).decode()

    def complete(self, *words):
        """What bash offers for the last of the words, which are split as it does."""
        call = f'COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _dcac; printf "%s\\n" "${{COMPREPLY[@]}}"'
        result = subprocess.run(['bash', '-c', f'source ./script; {call}'], cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, check=True, timeout=60)
        self.assertEqual(result.stderr, b'')
        return result.stdout.decode().split()

    def test_bash(self):
        self.script('bash')
        self.write('file', b'')
        self.assertEqual(self.complete('dcac', 'com'), ['compress', 'completion'])
        self.assertEqual(self.complete('dcac', 'compress', '--exc'), ['--exclude'])
        self.assertEqual(self.complete('dcac', 'compress', '--mode', '=', ''), ['ls', 'dcac', 'intra'])
        self.assertEqual(self.complete('dcac', 'compress', '--mode', '='), ['ls', 'dcac', 'intra'])
        self.assertEqual(self.complete('dcac', 'compress', '--dtype', 'bf'), ['bf16'])
        self.assertEqual(self.complete('dcac', 'compress', '-r', 'fi'), ['file'])
        self.assertEqual(self.complete('dcac', 'completion', 'z'), ['zsh'])
        self.assertEqual(self.complete('dcac', 'help', 'dec'), ['decompress'])

    def test_fish(self):
        self.script('fish')

        def complete(line):
            result = subprocess.run(['fish', '--no-config', '-c', f'source script; complete -C {line!r}'],
                                    cwd=self.folder, stdout=subprocess.PIPE, check=True, timeout=60)
            return [text.split('\t')[0] for text in result.stdout.decode().splitlines()]

        self.assertEqual(sorted(complete('dcac com')), ['completion', 'compress'])
        self.assertEqual(complete('dcac compress --exc'), ['--exclude'])
        self.assertEqual(sorted(complete('dcac compress --mode ')), ['dcac', 'intra', 'ls'])
        self.assertEqual(sorted(complete('dcac completion ')), ['bash', 'fish', 'zsh'])

    def test_zsh(self):
        self.script('zsh')
        result = subprocess.run(['zsh', '-f', '-c', 'autoload -U compinit; compinit -u -D; source ./script; '
                                 'print $_comps[dcac]'],
                                cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, timeout=60)
        self.assertEqual(result.stdout, b'_dcac\n')

    def test_other_shells(self):
        self.dcac('completion', 'csh', expect=USAGE)


if __name__ == '__main__':
    cli_test.DCAC = os.path.abspath(sys.argv.pop(1))
    unittest.main()
