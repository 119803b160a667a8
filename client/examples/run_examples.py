#!/usr/bin/env python3
"""run_examples.py DCAC_SERVER PROGRAM...: runs each program with a server of its own; fails if one fails."""
import pathlib
import subprocess
import sys
import tempfile


def main():
    server, *programs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        address = f'unix:{folder}/dcac.sock'
        with open(pathlib.Path(folder) / 'server.log', 'wb') as log, subprocess.Popen(
                [server, f'--listen={address}', '--store=memory:', '--lame-duck-ms=0'],
                stdout=log, stderr=log) as process:
            try:
                for program in programs:
                    print(f'{pathlib.Path(program).name}:', flush=True)
                    # Connecting waits for the server.
                    subprocess.run([program, address], check=True, timeout=120)
            finally:
                process.terminate()


if __name__ == '__main__':
    main()
