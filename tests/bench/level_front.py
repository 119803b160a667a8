#!/usr/bin/env python3
"""Ratio and speed of all levels next to peers: a table, a picture, and whether every level earns its place.

    level_front.py --dcac build/release/bin/dcac [--levels 1..9] [--against zstd-1,zstd-3,lz4,memcpy] [--table FRONT.md]
                   [--svg FRONT.svg] [--save LINES] FILE...
    level_front.py --load LINES [--table FRONT.md] [--svg FRONT.svg]

Runs `dcac bench --json`, one thread, over the files of at least --min-bytes; files named *.bf16.* are read as bf16.  --save
keeps its lines, from which --load makes table and picture again.  The table is Markdown, on stdout unless told; a figure is
the median over files, a ratio the geometric mean.  Exit status 1: levels of a type are not strictly ordered; stderr says
where a higher level is not smaller, or a lower one not faster.
"""
import argparse
import collections
import html
import json
import math
import statistics
import subprocess
import sys

DIRECTIONS = ('compress', 'decompress')
Front = collections.namedtuple('Front', 'codec files ratio speed slowest fastest relative')  # the last four: by direction


def measure(arguments):
    """The lines of `dcac bench` about files."""
    lines = []
    for is_bf16 in (False, True):
        files = [file for file in arguments.files if ('.bf16.' in file) == is_bf16]
        if not files:
            continue
        command = [arguments.dcac, 'bench', '--json', '--threads=1', f'--levels={arguments.levels}',
                   f'--against={arguments.against}', f'--min-bytes={arguments.min_bytes}', f'--min-runs={arguments.min_runs}',
                   f'--seconds={arguments.seconds}', *(['--cpu-time'] if arguments.cpu_time else []),
                   *(['--dtype=bf16'] if is_bf16 else []), *files]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        lines += [json.loads(line) for line in result.stdout.splitlines()]
    return [line for line in lines if 'file' in line]


def is_level(codec):
    return codec.startswith('dcac-')


def front_of(codec, lines):
    """The figures of a codec over the lines of one type."""
    speeds = {d: [line[f'{d}_mb_per_s'] for line in lines] for d in DIRECTIONS}
    relative = {d: {peer: statistics.median(line[f'{d}_relative_speed'][peer] for line in lines)
                    for peer in lines[0][f'{d}_relative_speed']} for d in DIRECTIONS}
    ratio = math.exp(statistics.fmean(math.log(line['ratio']) for line in lines))
    return Front(codec, len(lines), ratio, {d: statistics.median(speeds[d]) for d in DIRECTIONS},
                 {d: min(speeds[d]) for d in DIRECTIONS}, {d: max(speeds[d]) for d in DIRECTIONS}, relative)


def fronts_by_type(lines):
    """Type -> fronts of its codecs in the order of the lines."""
    groups = collections.defaultdict(list)
    for line in lines:
        groups[line['dtype'], line['codec']].append(line)
    order = ('u8', 'bf16', 'f16', 'i16', 'f32')
    fronts = collections.defaultdict(list)
    for (dtype, codec), members in sorted(groups.items(), key=lambda g: order.index(g[0][0]) if g[0][0] in order else 9):
        fronts[dtype].append(front_of(codec, members))
    return fronts


# Order.


def disorders(dtype, fronts):
    """What keeps the levels of a type from being a strict front."""
    levels = [front for front in fronts if is_level(front.codec)]
    for lower, higher in zip(levels, levels[1:]):
        if higher.ratio <= lower.ratio:
            yield f'{dtype}: {higher.codec} is not smaller than {lower.codec}: ratio {higher.ratio:.4f}, {lower.ratio:.4f}'
        for direction in DIRECTIONS:
            if lower.speed[direction] <= higher.speed[direction]:
                yield (f'{dtype}: {lower.codec} does not {direction} faster than {higher.codec}: '
                       f'{lower.speed[direction]:.1f} MB/s, {higher.speed[direction]:.1f} MB/s')
    for level in levels:
        for other in levels:
            if other is not level and other.ratio >= level.ratio and all(
                    other.speed[d] >= level.speed[d] for d in DIRECTIONS):
                yield f'{dtype}: {level.codec} is beaten by {other.codec} in ratio and both speeds'


# Table.


def speed_text(front, direction):
    digits = 0 if front.speed[direction] >= 100 else 1
    low, middle, high = (f'{figures[direction]:,.{digits}f}' for figures in (front.slowest, front.speed, front.fastest))
    return f'{middle} ({low} to {high})'


def table(fronts_of):
    """Markdown.  Behind a median: the slowest and the fastest file."""
    rows = []
    for dtype, fronts in fronts_of.items():
        peers = list(fronts[0].relative['compress'])
        yard = peers[0] if peers else None
        heading = [dtype, 'ratio', 'compress MB/s', 'decompress MB/s']
        if yard:
            heading += [f'compress, times {yard}', f'decompress, times {yard}']
        rows.append(f'{dtype}, {fronts[0].files} files:\n')
        rows.append('| ' + ' | '.join(heading) + ' |')
        rows.append('|---' + '|---:' * (len(heading) - 1) + '|')
        for front in fronts:
            cells = [front.codec, f'{front.ratio:.3f}', *(speed_text(front, d) for d in DIRECTIONS)]
            if yard:
                cells += [f'{front.relative[d][yard]:.2f}' for d in DIRECTIONS]
            rows.append('| ' + ' | '.join(cells) + ' |')
        rows.append('')
    return '\n'.join(rows)


# Picture.

PANEL_WIDTH, PANEL_HEIGHT = 480, 290
LEFT, RIGHT, TOP, BOTTOM = 62, 40, 46, 42  # of a panel, around its axes
CHARACTER_WIDTH, LINE_HEIGHT = 6.6, 13
STYLE = '''
  .back { fill: #ffffff } .text { fill: #24292f } .faint { fill: #57606a } .grid { stroke: #d8dee4 } .axis { stroke: #57606a }
  .level { fill: #0969da } .line { stroke: #0969da; fill: none } .peer { fill: #bc4c00 } .leader { stroke: #8c959f }
  text { font: 12px system-ui, sans-serif } .title { font-weight: 600; font-size: 14px }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #262c36 }
    .axis { stroke: #9198a1 } .level { fill: #58a6ff } .line { stroke: #58a6ff } .peer { fill: #f0883e }
    .leader { stroke: #656c76 }
  }
'''


def text(x, y, content, style='text', anchor='start', extra=''):
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(content)}</text>'


def line(x1, y1, x2, y2, style):
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def speed_ticks(low, high):
    """Powers of ten that span the speeds."""
    return [10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def ratio_ticks(low, high):
    step = next(step for step in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100) if (high - low) / step <= 7)
    return [step * i for i in range(math.floor(low / step), math.ceil(high / step + 0.3) + 1)]  # with room at the top


def mb_text(speed):
    return f'{speed / 1000:g} GB/s' if speed >= 1000 else f'{speed:g} MB/s'


class Panel:
    """One direction of one type: speed to the right, logarithmic, ratio upwards."""

    def __init__(self, dtype, direction, fronts, speeds, x, y):
        self.dtype, self.direction, self.fronts = dtype, direction, fronts
        self.x_ticks = speeds
        self.y_ticks = ratio_ticks(min(f.ratio for f in fronts), max(f.ratio for f in fronts))
        self.left, self.right = x + LEFT, x + PANEL_WIDTH - RIGHT
        self.top, self.bottom = y + TOP, y + PANEL_HEIGHT - BOTTOM
        self.taken = []  # boxes (x1, y1, x2, y2) of labels and points

    def place(self, front):
        """Where the point of a codec is."""
        share = math.log10(front.speed[self.direction] / self.x_ticks[0]) / math.log10(self.x_ticks[-1] / self.x_ticks[0])
        height = (front.ratio - self.y_ticks[0]) / (self.y_ticks[-1] - self.y_ticks[0])
        return self.left + share * (self.right - self.left), self.bottom - height * (self.bottom - self.top)

    def axes(self):
        for tick in self.x_ticks:
            x = self.left + (self.right - self.left) * math.log10(tick / self.x_ticks[0]) / math.log10(
                self.x_ticks[-1] / self.x_ticks[0])
            yield line(x, self.top, x, self.bottom, 'grid')
            yield text(x, self.bottom + 17, mb_text(tick), 'faint', 'middle')
        for tick in self.y_ticks:
            y = self.bottom - (self.bottom - self.top) * (tick - self.y_ticks[0]) / (self.y_ticks[-1] - self.y_ticks[0])
            yield line(self.left, y, self.right, y, 'grid')
            yield text(self.left - 8, y + 4, f'{tick:g}', 'faint', 'end')
        yield line(self.left, self.bottom, self.right, self.bottom, 'axis')
        yield line(self.left, self.top, self.left, self.bottom, 'axis')
        middle = (self.top + self.bottom) / 2
        yield text(self.left - 40, middle, 'ratio', 'faint', 'middle', f' transform="rotate(-90 {self.left - 40} {middle})"')
        yield text(self.left, self.top - 16, f'{self.dtype}, {self.direction}', 'text title')

    def points(self):
        levels = [self.place(f) for f in self.fronts if is_level(f.codec)]
        yield '<polyline class="line" stroke-width="1.5" points="' + ' '.join(f'{x:.1f},{y:.1f}' for x, y in levels) + '"/>'
        for front in self.fronts:
            x, y = self.place(front)
            self.taken.append((x - 4, y - 4, x + 4, y + 4))
            if is_level(front.codec):
                yield f'<circle class="level" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            else:
                yield f'<rect class="peer" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'

    def label_box(self, x, y, width):
        """Room for a label as near to the point as there is some."""
        for distance in range(11, 90, 5):
            for angle in (45, 135, 315, 225, 0, 180, 90, 270):
                dx, dy = distance * math.cos(math.radians(angle)), -distance * math.sin(math.radians(angle))
                left = x + dx - (width if dx < -1 else 0 if dx > 1 else width / 2)
                box = (left, y + dy - LINE_HEIGHT / 2, left + width, y + dy + LINE_HEIGHT / 2)
                inside = self.left < box[0] and box[2] < self.right + RIGHT and self.top < box[1] and box[3] < self.bottom
                if inside and not any(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in self.taken):
                    return box, distance
        return (x, y - LINE_HEIGHT, x + width, y), 0

    def labels(self):
        for front in self.fronts:
            x, y = self.place(front)
            name = front.codec.removeprefix('dcac-')
            box, distance = self.label_box(x, y, CHARACTER_WIDTH * len(name))
            self.taken.append(box)
            if distance > 16:
                yield line(x, y, min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]), 'leader')
            yield text(box[0], box[3] - 3, name)

    def draw(self):
        return [*self.axes(), *self.points(), *self.labels()]


def picture(fronts_of):
    width, height = 2 * PANEL_WIDTH, PANEL_HEIGHT * len(fronts_of) + 34
    parts = []
    speeds = {d: [f.speed[d] for fronts in fronts_of.values() for f in fronts] for d in DIRECTIONS}
    for row, (dtype, fronts) in enumerate(fronts_of.items()):
        for column, direction in enumerate(DIRECTIONS):
            ticks = speed_ticks(min(speeds[direction]), max(speeds[direction]))
            parts += Panel(dtype, direction, fronts, ticks, column * PANEL_WIDTH, row * PANEL_HEIGHT + 34).draw()
    parts += ['<circle class="level" cx="66" cy="20" r="4"/>', text(76, 24, 'dcac, levels'),
              '<rect class="peer" x="162" y="16" width="8" height="8"/>', text(176, 24, 'peers'),
              text(width - RIGHT, 24, 'one thread; median speed and geometric mean ratio over files', 'faint', 'end')]
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'role="img" aria-label="Ratio against speed of levels and peers">',
            f'<style>{STYLE}</style>', f'<rect class="back" width="{width}" height="{height}"/>']
    return '\n'.join([*head, *parts, '</svg>', ''])


def write(path, content):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='*', metavar='FILE')
    parser.add_argument('--dcac')
    parser.add_argument('--levels', default='1..9')
    parser.add_argument('--against', default='zstd-1,zstd-3,lz4,memcpy')
    parser.add_argument('--min-bytes', default='256KiB')
    parser.add_argument('--min-runs', default='3')
    parser.add_argument('--seconds', default='2', help='of each file')
    parser.add_argument('--cpu-time', action='store_true')
    parser.add_argument('--save')
    parser.add_argument('--load')
    parser.add_argument('--table')
    parser.add_argument('--svg')
    arguments = parser.parse_args()
    if bool(arguments.load) == bool(arguments.dcac and arguments.files):
        parser.error('expected --load, or --dcac and files')
    if arguments.load:
        with open(arguments.load, encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
    else:
        lines = measure(arguments)
    if arguments.save:
        write(arguments.save, ''.join(json.dumps(line) + '\n' for line in lines))
    fronts_of = fronts_by_type(lines)
    if arguments.table:
        write(arguments.table, table(fronts_of))
    else:
        print(table(fronts_of))
    if arguments.svg:
        write(arguments.svg, picture(fronts_of))
    problems = [problem for dtype, fronts in fronts_of.items() for problem in disorders(dtype, fronts)]
    print('\n'.join(problems), file=sys.stderr, end='\n' if problems else '')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
