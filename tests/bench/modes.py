#!/usr/bin/env python3
"""What reference planes save: the files of a corpus in the modes intra, dcac and ls.

    modes.py --dcac build/release/bin/dcac CORPUS [--level N] [--video]

CORPUS holds MANIFEST.tsv (columns path, group, network, dtype).  Prints a Markdown table per group and network: the ratio of
mode intra (geometric mean over files) and the bits that modes dcac and ls save against it (mean over files).  With --video,
the files named *-frames*: their ratio with and without planes of the previous item as references, and in mode intra.
"""
import argparse
import collections
import csv
import json
import math
import os
import subprocess
import tempfile


def compressed_bytes(arguments, path, dtype, options, scratch):
    """Bytes of the archive, and of the samples, of one file."""
    command = [arguments.dcac, 'compress', '--json', '-f', '-o', os.path.join(scratch, 'x.dcac'),
               f'--level={arguments.level}', *options, os.path.join(arguments.corpus, path)]
    if dtype == 'bf16':
        command.insert(2, '--dtype=bf16')
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result['compressed_bytes'], result['raw_bytes']


def mean(values):
    return math.fsum(values) / len(values)


def geometric_mean(values):
    return math.exp(mean([math.log(v) for v in values]))


def print_row(*cells):
    print('| ' + ' | '.join(str(cell) for cell in cells) + ' |')


def modes_table(arguments, rows, scratch):
    networks = collections.defaultdict(list)
    for row in rows:
        sizes = {mode: compressed_bytes(arguments, row['path'], row['dtype'], [f'--mode={mode}'], scratch)
                 for mode in ('intra', 'dcac', 'ls')}
        networks[row['group'], row['network']].append(sizes)
    print_row('group', 'network', 'files', 'intra ratio', 'dcac saves', 'ls saves')
    print_row('---', '---', '---:', '---:', '---:', '---:')
    per_group = collections.defaultdict(list)
    for (group, network), files in sorted(networks.items()):
        ratio = geometric_mean([f['intra'][1] / f['intra'][0] for f in files])
        saved = [mean([1 - f[mode][0] / f['intra'][0] for f in files]) for mode in ('dcac', 'ls')]
        per_group[group].append((ratio, *saved))
        print_row(group, network, len(files), f'{ratio:.3f}', f'{100 * saved[0]:.1f} %', f'{100 * saved[1]:.1f} %')
    for group, lines in per_group.items():
        ratio, dcac, ls = geometric_mean([l[0] for l in lines]), mean([l[1] for l in lines]), mean([l[2] for l in lines])
        print_row(group, '**mean over networks**', '', f'{ratio:.3f}', f'{100 * dcac:.1f} %', f'{100 * ls:.1f} %')


def video_table(arguments, rows, scratch):
    print_row('file', 'ls', 'without previous item', 'gain', 'intra', 'gain')
    print_row('---', '---:', '---:', '---:', '---:', '---:')
    for row in rows:
        if '-frames' not in row['path']:
            continue
        ratios = []
        for options in ([], ['--no-previous-item'], ['--mode=intra']):
            stored, raw = compressed_bytes(arguments, row['path'], row['dtype'], options, scratch)
            ratios.append(raw / stored)
        print_row(row['path'], f'{ratios[0]:.3f}', f'{ratios[1]:.3f}', f'{ratios[0] / ratios[1]:.2f} x', f'{ratios[2]:.3f}',
                  f'{ratios[0] / ratios[2]:.2f} x')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('corpus')
    parser.add_argument('--dcac', required=True)
    parser.add_argument('--level', type=int, default=5)
    parser.add_argument('--video', action='store_true')
    arguments = parser.parse_args()
    with open(os.path.join(arguments.corpus, 'MANIFEST.tsv'), encoding='utf-8') as manifest:
        rows = [row for row in csv.DictReader(manifest, delimiter='\t') if row['group'] not in ('kv', 'layers')]
    with tempfile.TemporaryDirectory() as scratch:
        (video_table if arguments.video else modes_table)(arguments, rows, scratch)


if __name__ == '__main__':
    main()
