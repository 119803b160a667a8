#!/usr/bin/env python3
"""Checks deploy/systemd/dcac-server.service: that systemd takes it, and how much it leaves a broken server.

Usage: systemd_test.py DCAC_SERVER.  Without systemd-analyze, which no container has, the file is only parsed.
"""
import configparser
import pathlib
import shutil
import subprocess
import sys
import tempfile

UNIT = pathlib.Path(__file__).resolve().parents[2] / 'deploy/systemd/dcac-server.service'
MOST_EXPOSURE = 15  # tenths, of systemd's points from 0 to 10


def parse():
    """Sections and keys that the server's behaviour needs."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    service = unit['Service']
    assert service['ExecStart'].split()[0] == '/usr/bin/dcac-server'
    assert service['ExecReload'].split()[:2] == ['/bin/kill', '-HUP']
    for key, value in {'DynamicUser': 'yes', 'ProtectSystem': 'strict', 'NoNewPrivileges': 'yes'}.items():
        assert service[key] == value, key


def analyze(program):
    with tempfile.TemporaryDirectory() as folder:
        # systemd looks whether the program is there.
        unit = pathlib.Path(folder) / UNIT.name
        unit.write_text(UNIT.read_text().replace('/usr/bin/dcac-server', program))
        for command in (['verify', '--man=no', '--recursive-errors=no'],
                        ['security', '--offline=true', f'--threshold={MOST_EXPOSURE}', '--no-pager']):
            result = subprocess.run(['systemd-analyze', *command, str(unit)], capture_output=True, text=True)
            if result.returncode != 0 or (command[0] == 'verify' and result.stderr):
                sys.exit(f'{" ".join(command)}: {result.stdout}{result.stderr}')


def main():
    parse()
    if shutil.which('systemd-analyze') is None:
        print('no systemd-analyze: parsed only')
        return
    analyze(sys.argv[1])


if __name__ == '__main__':
    main()
