#!/usr/bin/env python3
"""directory_run.py DCAC SHIM [--files=N] [--kills=K] [--seed=S]

Makes a folder of N mixed files, compresses it with K runs that are killed at random points and one that is not, brings
it back the same way, and compares: content, links, permissions, times.  What cannot be read is to be reported, with
exit status 1.  Run by root, the program runs as nobody, so that there are files that it may not read.
"""
import argparse
import io
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

import numpy

NOBODY = 65534
DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'
CALLS_PER_FILE = 15  # that the shim counts, at the least, on average


def tensor(source):
    dtype = source.choice(['u1', 'i1', '<u2', '<f2', '<f4', '<i8', '<f8', '?'])
    shape = [source.randint(1, 12) for _ in range(source.randint(0, 4))]
    values = numpy.array([source.gauss(0, 30) for _ in range(int(numpy.prod(shape)))])
    return values.astype(dtype).reshape(shape)


def npy_file(source):
    out = io.BytesIO()
    numpy.save(out, tensor(source))
    return out.getvalue()


def npz_file(source):
    out = io.BytesIO()
    save = source.choice([numpy.savez, numpy.savez_compressed])
    save(out, **{f'tensor {i}': tensor(source) for i in range(source.randint(0, 4))})
    return out.getvalue()


def safetensors_file(source):
    names = {'uint8': 'U8', 'int8': 'I8', 'uint16': 'U16', 'float16': 'F16', 'float32': 'F32', 'int64': 'I64',
             'float64': 'F64', 'bool': 'BOOL'}
    header, body = {'__metadata__': {'format': 'pt'}}, b''
    for i in range(source.randint(0, 4)):
        value = tensor(source)
        data = value.tobytes()
        header[f'layer.{i}.weight'] = {'dtype': names[value.dtype.name], 'shape': list(value.shape),
                                       'data_offsets': [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + body


def torch_file(source):
    files = sorted(DATA.rglob('*.pt'))
    return source.choice(files).read_bytes() if files else b'PK\x03\x04 no archive'


def text_file(source):
    return ''.join(source.choice(['layer', ' ', 'scale', '\n', 'ä', '0.5']) for _ in range(source.randint(1, 2000))).encode()


MAKERS = [('.npy', npy_file), ('.npz', npz_file), ('.safetensors', safetensors_file), ('.pt', torch_file),
          ('.bin', lambda source: source.randbytes(source.randint(1, 5000))), ('.txt', text_file),
          ('.dcac', lambda source: source.randbytes(100)), ('', lambda _: b'')]
NAMES = ['plain', 'with space', 'zwölf Füße', '名前', 'new\nline', 'quote"\'', '-dash', '*', b'\xff\xfe'.decode(
    'utf-8', 'surrogateescape'), '.hidden', '%41', 'tab\t']


def make_tree(root, count, source):
    """Returns what cannot be compressed."""
    folders = [root]
    for i in range(max(3, count // 40)):
        folders.append(source.choice(folders) / f'{source.choice(NAMES)} {i}')
        folders[-1].mkdir()
    (root / 'empty folder').mkdir()
    bad = []
    for i in range(count):
        suffix, make = source.choice(MAKERS)
        path = source.choice(folders) / f'{source.choice(NAMES)} {i}{suffix}'
        kind = source.random()
        if kind < 0.05:
            path.symlink_to(source.choice(['..', 'nowhere', '/etc/passwd', path.name, b'\xff'.decode(
                'utf-8', 'surrogateescape')]))
            continue
        if kind < 0.06:
            os.mkfifo(path)
            bad.append(path)
            continue
        path.write_bytes(make(source))
        path.chmod(source.choice([0o644, 0o600, 0o755, 0o444]))
        time_ns = source.randrange(10**18, 2 * 10**18)
        os.utime(path, ns=(time_ns, time_ns))
        if kind < 0.08:
            path.chmod(0)
            bad.append(path)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(root)  # names of sockets are short
        server.bind('socket')
        os.chdir(here)
    bad.append(root / 'socket')
    folders[1].chmod(0o555)
    return bad


def snapshot(root, leave_out=()):
    """Everything below `root`: type, permissions, content or target, time of files."""
    entries = {}
    for path in root.rglob('*'):
        if path in leave_out:
            continue
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            value = ('link', os.readlink(path))
        elif stat.S_ISDIR(info.st_mode):
            value = ('folder', stat.S_IMODE(info.st_mode))
        else:
            value = ('file', stat.S_IMODE(info.st_mode), info.st_mtime_ns, path.read_bytes())
        entries[os.fsencode(path.relative_to(root))] = value
    return entries


class Program:
    def __init__(self, folder, dcac, shim):
        # Copies, which nobody may reach.
        self.folder = folder
        self.dcac = shutil.copy(dcac, folder / 'dcac')
        self.shim = shutil.copy(shim, folder / 'shim.so')
        self.user = {'user': NOBODY, 'group': NOBODY, 'extra_groups': []} if os.geteuid() == 0 else {}

    def run(self, *arguments, kill_at=None):
        environment = dict(os.environ)
        if kill_at:
            environment.update(LD_PRELOAD=str(self.shim), DCAC_FAULT=f'any:{kill_at}:kill')
        return subprocess.run([self.dcac, *arguments], cwd=self.folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **self.user)

    def run_with_kills(self, arguments, kills, files, source):
        """Runs until done, killed `kills` times on the way; returns the last run."""
        farthest = max(2, 2 * CALLS_PER_FILE * files // (2 * kills + 2))
        for i in range(kills):
            result = self.run(*arguments, *(['--resume'] if i else []), kill_at=source.randint(1, farthest))
            assert result.returncode == -signal.SIGKILL, f'kill {i} missed: {result.returncode} {result.stderr}'
        return self.run(*arguments, '--resume', '--json')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('dcac')
    parser.add_argument('shim')
    parser.add_argument('--files', type=int, default=60)
    parser.add_argument('--kills', type=int, default=4)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        program = Program(folder, options.dcac, options.shim)
        original, archives, back = folder / 'original', folder / 'archives', folder / 'back'
        original.mkdir()
        bad = make_tree(original, options.files, source)
        before = snapshot(original, leave_out=set(bad))
        if os.geteuid() == 0:
            for path in [folder, *folder.rglob('*')]:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        begin = time.monotonic()
        done = program.run_with_kills(['compress', '-r', 'original', '-o', 'archives'], options.kills, options.files,
                                      source)
        compress_seconds = time.monotonic() - begin
        assert done.returncode == 1, (done.returncode, done.stderr)
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        failed = sorted(line['file'] for line in lines if 'error' in line)
        expected = sorted(os.fsencode(path.relative_to(folder)).decode('utf-8', 'replace') for path in bad)
        assert failed == expected, f'reported: {failed}\nexpected: {expected}'
        assert len(done.stderr.splitlines()) == len(bad), done.stderr.decode()

        begin = time.monotonic()
        restored = program.run_with_kills(['decompress', '-r', 'archives', '-o', 'back'], options.kills, options.files,
                                          source)
        decompress_seconds = time.monotonic() - begin
        assert restored.returncode == 0, (restored.returncode, restored.stderr)
        after = snapshot(back)
        for name in sorted(before.keys() | after.keys()):
            assert before.get(name) == after.get(name), (name, before.get(name), after.get(name))
        assert program.run('test', '-q', '-r', 'archives').returncode == 0
        leftovers = [p for p in folder.rglob('*.dcac-tmp.*')]
        assert not leftovers, leftovers

        proofs = [line.get('proof') for line in lines]
        print(f'{options.files} files, {len(before)} entries equal, {len(bad)} reported, {options.kills} kills each way; '
              f'last run: {proofs.count("journal")} proven by the journal, {proofs.count("comparison")} by comparison; '
              f'compressed in {compress_seconds:.1f} s, restored in {decompress_seconds:.1f} s')
        if os.geteuid() != 0:  # what tempfile could not remove
            for path in folder.rglob('*'):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o700)


if __name__ == '__main__':
    sys.exit(main())
