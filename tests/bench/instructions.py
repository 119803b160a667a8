#!/usr/bin/env python3
"""Counts the instructions of fixed inputs and compares them with the table beside this file.

    instructions.py DRIVER [--update]

DRIVER is build/release/bin/instructions_driver.  It runs under callgrind; counts do not depend on the speed of the machine.
Fails where a count grew by more than 5 %; --update writes the table anew.  Exit status 77: there is no valgrind.
"""
import argparse
import csv
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TABLE = pathlib.Path(__file__).with_name('instructions.csv')
COLUMNS = ('input', 'level', 'direction', 'instructions')
MOST_GROWTH = 0.05


def count(driver):
    """(input, level, direction) -> instructions, in the order of the driver."""
    with tempfile.TemporaryDirectory() as folder:
        command = ['valgrind', '--tool=callgrind', '--toggle-collect=MeasuredCall', '--dump-after=MeasuredCall',
                   f'--callgrind-out-file={folder}/out', driver]
        environment = {**os.environ, 'DCAC_TARGET': 'AVX2'}  # valgrind knows no AVX-512
        environment.pop('DCAC_TEST_SEED', None)
        result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                check=False)
        if result.returncode != 0:
            sys.exit(f'{" ".join(command)} failed with {result.returncode}:\n{result.stderr}')
        names = [tuple(line.split()) for line in result.stdout.splitlines() if line.endswith('compress')]
        counts = {}
        for number, name in enumerate(names, start=1):
            dump = pathlib.Path(folder, f'out.{number}').read_text(encoding='utf-8')
            counts[name] = int(re.search(r'^summary: (\d+)', dump, re.MULTILINE).group(1))
        return counts


def read_table():
    with open(TABLE, encoding='utf-8', newline='') as table:
        return {(row['input'], row['level'], row['direction']): int(row['instructions']) for row in csv.DictReader(table)}


def write_table(counts):
    with open(TABLE, 'w', encoding='utf-8', newline='') as table:
        writer = csv.writer(table, lineterminator='\n')
        writer.writerow(COLUMNS)
        writer.writerows((*name, instructions) for name, instructions in counts.items())


def compare(counts, expected):
    """Pairs: a line that says what differs, and whether that is an error."""
    for name in sorted(counts.keys() ^ expected.keys()):
        yield f'{" ".join(name)}: is only in {"the table" if name in expected else "the driver"}', True
    for name in sorted(counts.keys() & expected.keys()):
        growth = counts[name] / expected[name] - 1
        if abs(growth) > MOST_GROWTH:
            yield (f'{" ".join(name)}: {counts[name]} instructions, {expected[name]} in the table ({growth:+.1%})',
                   growth > 0)


def self_test():
    """The check notices what it is for."""
    name = ('u8', '1', 'compress')
    table = {name: 1000}
    assert [is_error for _, is_error in compare({name: 1060}, table)] == [True]
    assert [is_error for _, is_error in compare({name: 940}, table)] == [False]
    assert not list(compare({name: 1040}, table))
    assert [is_error for _, is_error in compare({}, table)] == [True]


def main():
    self_test()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('driver')
    parser.add_argument('--update', action='store_true')
    arguments = parser.parse_args()
    if shutil.which('valgrind') is None:
        print('skipped: there is no valgrind (Debian: valgrind)')
        return 77
    counts = count(arguments.driver)
    if arguments.update:
        write_table(counts)
        return 0
    differences = list(compare(counts, read_table()))
    for line, _ in differences:
        print(line)
    if any(is_error for _, is_error in differences):
        print(f'FAILED: more than {MOST_GROWTH:.0%} growth; if that is meant: {sys.argv[0]} {arguments.driver} --update')
        return 1
    if differences:
        print(f'Fewer instructions than in the table: {sys.argv[0]} {arguments.driver} --update')
    return 0


if __name__ == '__main__':
    sys.exit(main())
