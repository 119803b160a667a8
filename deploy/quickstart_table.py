#!/usr/bin/env python3
"""quickstart_table.py BIN DATA: compresses DATA/*.npy with BIN/dcac, in process and through BIN/dcac-server, and keeps them
in the server's store over a restart.

Every file is restored and compared.  Exit status 1 if anything differs.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

SERVER_START_SECONDS = 20


class Server:
    """A dcac-server on a Unix socket in `folder`, with its store beside it, stopped by SIGTERM at the end."""

    def __init__(self, program, folder):
        self.address = f'unix:{folder}/dcac.sock'
        self.command = [program, f'--listen={self.address}', f'--store=local:{folder}/store', '--log-level=warning']
        self.program = program

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + SERVER_START_SECONDS
        while subprocess.run([self.program, 'health', self.address], capture_output=True).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit('quickstart: the server did not start')
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit(f'quickstart: the server ended with status {self.process.returncode}')


def run_all(dcac, verb, *arguments):
    """The JSON objects that dcac prints, one for each file."""
    result = subprocess.run([dcac, verb, '--json', *arguments], stdout=subprocess.PIPE)
    if result.returncode != 0:
        sys.exit(f'quickstart: dcac {verb} ended with status {result.returncode}')
    return [json.loads(line) for line in result.stdout.splitlines()]


def run(dcac, verb, *arguments):
    return run_all(dcac, verb, *arguments)[0]


def table_row(dcac, file, server, folder):
    local, remote, restored = folder / 'local.dcac', folder / 'remote.dcac', folder / 'restored'
    dtype = ['--dtype=bf16'] if '.bf16.' in file.name else []
    result = run(dcac, 'compress', '-f', *dtype, '-o', local, file)
    run(dcac, 'compress', '-f', *dtype, f'--server={server.address}', '-o', remote, file)
    identical = local.read_bytes() == remote.read_bytes()
    for archive, where in ((local, []), (remote, [f'--server={server.address}'])):
        run(dcac, 'decompress', '-f', *where, '-o', restored, archive)
        if restored.read_bytes() != file.read_bytes():
            sys.exit(f'quickstart: {file}: restored other bytes')
    return (file.name, result['dtype'], result['raw_bytes'], result['compressed_bytes'], f"{result['ratio']:.3f}",
            'identical' if identical else 'DIFFERENT')


def check_folder(data, back):
    for file in filter(pathlib.Path.is_file, data.rglob('*')):
        if (back / file.relative_to(data)).read_bytes() != file.read_bytes():
            sys.exit(f'quickstart: {file}: the store gave back other bytes')


def put_and_get(dcac, data, server, folder):
    """Puts the files into the store and gets them, from another server process too; what to print of it."""
    at = [f'--server={server.address}']
    with server:
        run_all(dcac, 'put', *at, '-r', data, 'quickstart')
        run_all(dcac, 'get', *at, '-r', 'quickstart', folder / 'back')
        check_folder(data, folder / 'back')
    with server:
        run_all(dcac, 'get', *at, '-r', 'quickstart', folder / 'again')
        check_folder(data, folder / 'again')
        objects = run_all(dcac, 'ls', *at, 'quickstart')
    raw, stored = (sum(each[name] for each in objects) for name in ('raw_bytes', 'stored_bytes'))
    return (f'store: {len(objects)} objects, {raw} raw bytes kept in {stored}, ratio {raw / stored:.3f}; '
            'all came back bit for bit, after a restart of the server too')


def print_table(rows):
    raw, stored = sum(r[2] for r in rows), sum(r[3] for r in rows)
    total = ('all, restored bit for bit', '', raw, stored, f'{raw / stored:.3f}', '')
    table = [('file', 'dtype', 'raw bytes', 'stored bytes', 'ratio', 'through the server'), *rows, total]
    widths = [max(len(str(row[i])) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [str(c).rjust(w) if i in (2, 3, 4) else str(c).ljust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print('  '.join(cells).rstrip())


def main():
    bin_folder, data = map(pathlib.Path, sys.argv[1:])
    dcac = bin_folder / 'dcac'
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        server = Server(bin_folder / 'dcac-server', folder)
        with server:
            rows = [table_row(dcac, file, server, folder) for file in sorted(data.glob('*.npy'))]
        print_table(rows)
        print('\n' + put_and_get(dcac, data, server, folder))
    return 0 if all(row[-1] == 'identical' for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
