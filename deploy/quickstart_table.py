#!/usr/bin/env python3
"""quickstart_table.py BIN DATA: compresses DATA/*.npy with BIN/dcac, in process and through BIN/dcac-server.

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
    """A dcac-server on a Unix socket in `folder`, stopped by SIGTERM at the end."""

    def __init__(self, program, folder):
        self.address = f'unix:{folder}/dcac.sock'
        self.program = program

    def __enter__(self):
        self.process = subprocess.Popen([self.program, f'--listen={self.address}', '--log-level=warning'])
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


def run(dcac, verb, *arguments):
    """The JSON object that dcac prints for one file."""
    result = subprocess.run([dcac, verb, '--json', *arguments], stdout=subprocess.PIPE)
    if result.returncode != 0:
        sys.exit(f'quickstart: dcac {verb} ended with status {result.returncode}')
    return json.loads(result.stdout)


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


def main():
    bin_folder, data = map(pathlib.Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        with Server(bin_folder / 'dcac-server', folder) as server:
            rows = [table_row(bin_folder / 'dcac', file, server, folder) for file in sorted(data.glob('*.npy'))]
    raw, stored = sum(r[2] for r in rows), sum(r[3] for r in rows)
    total = ('all, restored bit for bit', '', raw, stored, f'{raw / stored:.3f}', '')
    table = [('file', 'dtype', 'raw bytes', 'stored bytes', 'ratio', 'through the server'), *rows, total]
    widths = [max(len(str(row[i])) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [str(c).rjust(w) if i in (2, 3, 4) else str(c).ljust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print('  '.join(cells).rstrip())
    return 0 if all(row[-1] == 'identical' for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
