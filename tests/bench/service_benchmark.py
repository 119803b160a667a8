#!/usr/bin/env python3
"""The service next to its parts, measured in turns: the codec in a process, and gRPC that moves the same bytes.

    service_benchmark.py --bin=build/release/bin [--levels=1,3,5] [--sizes=1,8,64] [--rounds=3] [--seconds=3]
                         [--concurrency=4] [--json=FILE] [PART...] -- FILE.npy...

PART (default: streams unary):
  streams   `dcac loadgen --stream` in both directions.  `of ideal` is its throughput over what the cores allow: their
            number over (processor time per GB of the codec + that of the transfer, client and server together).
            `by CPU` is the same from the processor time of client and server, which hardly depends on other work.
  unary     64 KiB at level 3: the rate of a closed loop, then latency at half of it in an open loop.
  overload  32 streams offer ten times the server's budget of bytes.

Tensors are made of planes of the files, of which those with equal planes are joined; *.bf16.npy is read as bf16.  Sizes
are in MB (10^6 bytes).
Figures are medians over the rounds.  Exit status 1: a floor is missed; stderr says which.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy

MB = 1_000_000
SEGMENT_BYTES = 2 << 20
TRANSFER_SECONDS = 1.5

FLOOR_OF_IDEAL = 0.85
FLOOR_UNARY_P50_MS, FLOOR_UNARY_P99_MS = 0.8, 3.0
UNARY_BYTES, UNARY_LEVEL, UNARY_CALLERS = 64 << 10, 3, 16

BUDGET_BYTES, OVERLOAD_STREAMS, OVERLOAD_FACTOR = 256 << 20, 32, 10
FLOOR_OVERLOAD_THROUGHPUT = 0.9
OVERLOAD_MEMORY_BYTES = BUDGET_BYTES + (64 << 20)
OVERLOAD_FAIRNESS = 4  # the most that a caller may complete, over the least


# Tensors.


def sources_of(paths):
    """Name of the first file -> planes, [planes, height, width], of all files whose planes are of the same kind."""
    sources = {}
    for path in paths:
        array = numpy.load(path)
        if array.ndim < 3:
            raise SystemExit(f'{path}: {array.ndim} axes, expected three or more')
        kind = ('.bf16.' in path.name, array.dtype, array.shape[-2:])
        sources.setdefault(kind, (path.name, []))[1].append(array.reshape(-1, *array.shape[-2:]))
    return {name: numpy.concatenate(parts) for name, parts in sources.values()}


def make_tensor(planes, size_bytes, path):
    """A tensor of about so many bytes: planes of one item, or all of them as items that are equal.

    An item of a segment or more shares none with the next one, so that nothing is saved by their being equal.
    """
    count = max(1, round(size_bytes / planes[0].nbytes))
    items = max(1, round(size_bytes / planes.nbytes))
    if count > len(planes) and planes.nbytes < min(size_bytes, SEGMENT_BYTES):
        raise SystemExit(f'{planes.nbytes} bytes of planes, expected {min(size_bytes, SEGMENT_BYTES):.0f}')
    numpy.save(path, numpy.repeat(planes[None, :count], items, axis=0))
    return path


def make_unary_tensor(planes, path):
    """64 KiB of the corners of planes."""
    return make_tensor(planes[:, :64, :64], UNARY_BYTES, path)


# Processes.


class Tools:
    """The programs, and where they meet."""

    def __init__(self, folder, scratch):
        self._bin = pathlib.Path(folder)
        self._scratch = pathlib.Path(scratch)
        self._sockets = 0

    def _address(self):
        self._sockets += 1
        return f'unix:{self._scratch}/{self._sockets}.sock'

    @contextlib.contextmanager
    def server(self, *options):
        """Gives the address of a server of its own."""
        address = self._address()
        command = [self._bin / 'dcac-server', f'--listen={address}', '--lame-duck-ms=0', *options]
        with open(self._scratch / 'server.log', 'wb') as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield address
            finally:
                process.terminate()

    def loadgen(self, tensor, *options):
        """What one run says.  Failed calls raise an error."""
        command = [self._bin / 'dcac', 'loadgen', '--json', *(['--dtype=bf16'] if '.bf16.' in tensor.name else []),
                   *options, tensor]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def transfer(self, concurrency, seconds, in_bytes, out_bytes):
        """Processor time in seconds, of both ends together, for each GB that comes in."""
        address = self._address()
        with subprocess.Popen([self._bin / 'service_echo_server', address], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            before = cpu_seconds(server.pid)
            client = json.loads(subprocess.run(
                [self._bin / 'service_echo_client', address, *map(str, (concurrency, seconds, in_bytes, out_bytes))],
                check=True, stdout=subprocess.PIPE).stdout)
            server_seconds = cpu_seconds(server.pid) - before
            server.stdin.close()
        return (server_seconds + client['client_cpu_s']) / (client['in_bytes'] / 1e9)


def cpu_seconds(pid):
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


# Parts.


def measure_stream(tools, address, tensor, direction, level, arguments):
    """One row: the three take turns, in each round."""
    cores = len(os.sched_getaffinity(0))
    size = tensor.stat().st_size
    common = [f'--calls={direction}', f'--level={level}', f'--duration={arguments.seconds}',
              f'--warmup={arguments.seconds / 4}']
    codec, transfer, service = [], [], []
    for _ in range(arguments.rounds):
        codec.append(tools.loadgen(tensor, '--in-process', f'--concurrency={cores}', *common))
        service.append(tools.loadgen(tensor, f'--server={address}', '--stream', f'--concurrency={arguments.concurrency}',
                                     *common))
        stored = round(size / service[-1]['ratio'])
        sizes = (size, stored) if direction == 'compress' else (stored, size)
        per_in_byte = tools.transfer(arguments.concurrency, min(arguments.seconds, TRANSFER_SECONDS), *sizes)
        transfer.append(per_in_byte * sizes[0] / size)
    codec_s = statistics.median(run['cpu_s_per_gb'] for run in codec)
    transfer_s = statistics.median(transfer)
    service_s = statistics.median(run['cpu_s_per_gb'] for run in service)
    speed = statistics.median(run['raw_mb_per_s'] for run in service)
    ideal = cores * 1000 / (codec_s + transfer_s)
    return {'part': 'streams', 'file': tensor.name, 'direction': direction, 'level': level, 'raw_bytes': size,
            'ratio': service[-1]['ratio'], 'codec_cpu_s_per_gb': codec_s, 'transfer_cpu_s_per_gb': transfer_s,
            'service_cpu_s_per_gb': service_s, 'codec_mb_per_s': statistics.median(run['raw_mb_per_s'] for run in codec),
            'service_mb_per_s': speed, 'ideal_mb_per_s': ideal, 'of_ideal': speed / ideal,
            'by_cpu': (codec_s + transfer_s) / service_s,
            'server_peak_rss_bytes': max(run['server_peak_rss_bytes'] for run in service)}


def streams(tools, sources, scratch, arguments):
    for name, planes in sources.items():
        for size in arguments.sizes:
            tensor = make_tensor(planes, size * MB, scratch / f'{size:g}MB-{name}')
            for level in arguments.levels:
                for direction in ('compress', 'decompress'):
                    with tools.server() as address:
                        yield measure_stream(tools, address, tensor, direction, level, arguments)


def unary(tools, sources, scratch, arguments):
    for name, planes in sources.items():
        tensor = make_unary_tensor(planes, scratch / f'64KiB-{name}')
        for direction in ('compress', 'decompress'):
            common = ['--unary', f'--calls={direction}', f'--level={UNARY_LEVEL}', f'--concurrency={UNARY_CALLERS}',
                      f'--duration={arguments.seconds}', f'--warmup={arguments.seconds / 4}']
            closed, opened = [], []
            with tools.server() as address:
                for _ in range(arguments.rounds):
                    closed.append(tools.loadgen(tensor, f'--server={address}', *common))
                    rate = statistics.median(run['requests_per_s'] for run in closed) / 2
                    opened.append(tools.loadgen(tensor, f'--server={address}', f'--rate={rate}', *common))
            yield {'part': 'unary', 'file': tensor.name, 'direction': direction, 'level': UNARY_LEVEL,
                   'saturation_per_s': statistics.median(run['requests_per_s'] for run in closed),
                   **{key: statistics.median(run[key] for run in opened) for key in ('rate', 'p50_ms', 'p90_ms', 'p99_ms',
                                                                                    'p999_ms')}}


def overload(tools, sources, scratch, arguments):
    for name, planes in sources.items():
        size = OVERLOAD_FACTOR * BUDGET_BYTES // OVERLOAD_STREAMS
        tensor = make_tensor(planes, size, scratch / f'overload-{name}')
        for direction in ('compress', 'decompress'):
            common = ['--stream', '--retry-refused', f'--calls={direction}', f'--level={arguments.levels[0]}',
                      f'--duration={arguments.seconds}', f'--warmup={arguments.seconds / 10}']
            peak, loaded = [], []
            for _ in range(arguments.rounds):
                with tools.server() as address:
                    peak.append(tools.loadgen(tensor, f'--server={address}', f'--concurrency={arguments.concurrency}',
                                              *common))
                with tools.server(f'--budget-bytes={BUDGET_BYTES}') as address:
                    loaded.append(tools.loadgen(tensor, f'--server={address}', f'--concurrency={OVERLOAD_STREAMS}',
                                                *common))
            best = statistics.median(run['raw_mb_per_s'] for run in peak)
            yield {'part': 'overload', 'file': tensor.name, 'direction': direction, 'level': arguments.levels[0],
                   'offered_bytes': OVERLOAD_STREAMS * tensor.stat().st_size, 'budget_bytes': BUDGET_BYTES,
                   'peak_mb_per_s': best, 'of_peak': statistics.median(run['raw_mb_per_s'] for run in loaded) / best,
                   'server_peak_rss_bytes': max(run['server_peak_rss_bytes'] for run in loaded),
                   'completed': sum(run['completed'] for run in loaded), 'refused': sum(run['refused'] for run in loaded),
                   'errors': sum(run['errors'] for run in loaded),
                   'worker_completed_min': min(run['worker_completed_min'] for run in loaded),
                   'worker_completed_max': max(run['worker_completed_max'] for run in loaded)}


PARTS = {'streams': streams, 'unary': unary, 'overload': overload}


# Floors and report.


def misses(row):
    """What falls short of its floor."""
    where = f'{row["part"]}, {row["file"]}, {row["direction"]}, level {row["level"]}'
    if row['part'] == 'streams' and row['of_ideal'] < FLOOR_OF_IDEAL:
        yield f'{where}: {row["of_ideal"]:.3f} of what the cores allow, expected {FLOOR_OF_IDEAL}'
    if row['part'] == 'unary':
        for key, floor in (('p50_ms', FLOOR_UNARY_P50_MS), ('p99_ms', FLOOR_UNARY_P99_MS)):
            if row[key] > floor:
                yield f'{where}: {key} is {row[key]:.3f}, expected at most {floor}'
    if row['part'] == 'overload':
        if row['server_peak_rss_bytes'] > OVERLOAD_MEMORY_BYTES:
            yield f'{where}: {row["server_peak_rss_bytes"]} bytes resident, expected at most {OVERLOAD_MEMORY_BYTES}'
        if row['of_peak'] < FLOOR_OVERLOAD_THROUGHPUT:
            yield f'{where}: {row["of_peak"]:.3f} of the peak, expected {FLOOR_OVERLOAD_THROUGHPUT}'
        if row['errors']:
            yield f'{where}: {row["errors"]} calls failed, expected none'
        if row['worker_completed_max'] > OVERLOAD_FAIRNESS * row['worker_completed_min']:
            yield (f'{where}: callers completed {row["worker_completed_min"]} to {row["worker_completed_max"]} calls, '
                   f'expected a factor of at most {OVERLOAD_FAIRNESS}')


COLUMNS = {
    'streams': {'file': '{file}', 'call': '{direction}', 'level': '{level}', 'ratio': '{ratio:.3f}',
                'codec s/GB': '{codec_cpu_s_per_gb:.2f}', 'gRPC s/GB': '{transfer_cpu_s_per_gb:.2f}',
                'service s/GB': '{service_cpu_s_per_gb:.2f}', 'MB/s': '{service_mb_per_s:.0f}',
                'of ideal': '{of_ideal:.1%}', 'by CPU': '{by_cpu:.1%}'},
    'unary': {'file': '{file}', 'call': '{direction}', 'saturation /s': '{saturation_per_s:.0f}', 'rate /s': '{rate:.0f}',
              'p50 ms': '{p50_ms:.3f}', 'p90 ms': '{p90_ms:.3f}', 'p99 ms': '{p99_ms:.3f}', 'p99.9 ms': '{p999_ms:.3f}'},
    'overload': {'file': '{file}', 'call': '{direction}', 'level': '{level}', 'peak MB/s': '{peak_mb_per_s:.0f}',
                 'of peak': '{of_peak:.1%}', 'resident bytes': '{server_peak_rss_bytes}', 'completed': '{completed}',
                 'refused': '{refused}', 'failed': '{errors}',
                 'by caller': '{worker_completed_min} to {worker_completed_max}'},
}


def table_head(part):
    columns = COLUMNS[part]
    return '| ' + ' | '.join(columns) + ' |\n|---' + '|---:' * (len(columns) - 1) + '|'


def table_row(row):
    return '| ' + ' | '.join(text.format(**row) for text in COLUMNS[row['part']].values()) + ' |'


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--bin', required=True, help='folder of the programs')
    parser.add_argument('--levels', type=lambda text: [int(part) for part in text.split(',')], default=[1, 3, 5])
    parser.add_argument('--sizes', type=lambda text: [float(part) for part in text.split(',')], default=[1.0, 8.0, 64.0])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=3)
    parser.add_argument('--concurrency', type=int, default=4, help='streams')
    parser.add_argument('--json', help='file for the rows, a JSON object a line')
    parser.add_argument('words', nargs='+', metavar='PART|FILE')
    arguments = parser.parse_args()
    arguments.parts = [word for word in arguments.words if word in PARTS] or ['streams', 'unary']
    arguments.files = [pathlib.Path(word) for word in arguments.words if word not in PARTS]
    if not arguments.files:
        parser.error('no FILE')
    return arguments


def main():
    arguments = parse_arguments()
    sources = sources_of(arguments.files)
    missed = []
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        lines = stack.enter_context(open(arguments.json, 'w', encoding='utf-8')) if arguments.json else None
        tools = Tools(arguments.bin, scratch)
        for part in arguments.parts:
            print(table_head(part), flush=True)
            for row in PARTS[part](tools, sources, pathlib.Path(scratch), arguments):
                print(table_row(row), flush=True)
                missed += misses(row)
                if lines:
                    print(json.dumps(row), file=lines, flush=True)
            print()
    for miss in missed:
        print(miss, file=sys.stderr)
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
