#!/usr/bin/env python3
"""Compares deploy/dcac-server.toml and the table in docs/operations.md with the settings of the program.

Usage: settings_test.py DCAC_SERVER [--update]
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / 'deploy/dcac-server.toml'
OPERATIONS = ROOT / 'docs/operations.md'
TABLE = re.compile(r'(<!-- dcac-server settings-table -->\n)(.*?)(<!-- end of the table -->\n)', re.DOTALL)


def run(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def replace_table(text, table):
    assert len(TABLE.findall(text)) == 1, 'docs/operations.md has no place for the table'
    return TABLE.sub(lambda match: match[1] + table + '\n' + match[3], text)


def values(toml):
    """Lines of keys, without comments at their end."""
    return sorted(line.split('  #')[0] for line in toml.splitlines() if re.match(r'[a-z]', line))


def check_sample(program):
    """The sample with every key taken is what the program does without it."""
    with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
        file.write(re.sub(r'^#(?=[a-z])', '', SAMPLE.read_text(), flags=re.MULTILINE))
        file.flush()
        effective = run(program, '--print-config', f'--config={file.name}')
    assert '# default' not in effective, 'a key is missing in the sample'
    assert values(effective) == values(run(program, '--print-config'))


def main():
    program = sys.argv[1]
    sample = run(program, 'sample-config')
    operations = replace_table(OPERATIONS.read_text(), run(program, 'settings-table'))
    if '--update' in sys.argv:
        SAMPLE.write_text(sample)
        OPERATIONS.write_text(operations)
    for path, expected in (SAMPLE, sample), (OPERATIONS, operations):
        if path.read_text() != expected:
            sys.exit(f'{path.relative_to(ROOT)} does not have the settings of the program: '
                     'tests/deploy/settings_test.py DCAC_SERVER --update writes them')
    check_sample(program)


if __name__ == '__main__':
    main()
