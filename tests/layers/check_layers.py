#!/usr/bin/env python3
"""Checks that folders include only what their layer may: docs/architecture.md.

Prints each forbidden include; exit status 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder -> folders whose headers it may include, beside its own.  A folder that is missing here is an error.
ALLOWED = {
    'core/include': set(),
    'core/base': {'core/include'},
    'core/format': {'core/include', 'core/base'},
    'core/kernels': {'core/include', 'core/base'},
    'core/codec': {'core/include', 'core/base', 'core/format', 'core/kernels'},
    'core/files': {'core/include', 'core/base'},
    'proto': {'core/include', 'core/base'},
    'client/include': {'core/include'},
    'client': {'client/include', 'client/internal', 'core/include', 'core/base', 'proto'},
    'client/internal': {'client/include', 'core/include', 'core/base', 'proto'},
    'client/examples': {'client/include', 'core/include'},
    'client/loadgen': {'client/include', 'core/include', 'core/base', 'proto'},
    'client/cli': {'client/include', 'client/loadgen', 'core/include', 'core/base', 'core/files'},
    'server/store': {'core/base'},
    'server/telemetry': {'core/base'},
    'server': {'core/include', 'core/base', 'core/files', 'proto', 'server/store', 'server/telemetry'},
}

# Folder -> pattern of headers from elsewhere that it must not include, and why.
SERVICE = re.compile(r'^(grpc|grpcpp|google/protobuf)/|\.pb\.h$')
FORBIDDEN = {
    'core/': (SERVICE, 'core must build without gRPC and protobuf'),
    'client/include': (SERVICE, 'users of the client must not inherit our gRPC'),
    'client/cli': (SERVICE, 'the command line must build without gRPC'),
    'client/loadgen': (SERVICE, 'it measures through the client library'),
    'server/store/': (SERVICE, 'the store knows opaque blocks'),
    'server/telemetry': (SERVICE, 'what operators see is tested without gRPC'),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)


def folder_of(path):
    """The entry of ALLOWED that `path`, relative to the root, belongs to: the longest."""
    fitting = [f for f in ALLOWED if path.startswith(f + '/')]
    return max(fitting, key=len) if fitting else None


def included_folder(header):
    """The folder that an included header belongs to; nothing for headers of other projects."""
    if header.startswith('dcac/v1/'):
        return 'proto'
    if header.startswith('dcac/client'):
        return 'client/include'
    if header.startswith('dcac/'):
        return 'core/include'
    if header.split('/')[0] in ('core', 'proto', 'client', 'server'):
        return folder_of(header) or header
    return None


def problems_of(path, text):
    """Forbidden includes of the file `path`, relative to the root."""
    folder = folder_of(path)
    if folder is None:
        return [f'{path}: its folder is not in the table']
    problems = []
    for header in INCLUDE.findall(text):
        if header.endswith('.cc'):
            problems.append(f'{path}: includes the source {header}')
        for prefix, (pattern, why) in FORBIDDEN.items():
            if path.startswith(prefix) and pattern.search(header):
                problems.append(f'{path}: includes {header}, but {why}')
        target = included_folder(header)
        if target is not None and target != folder and target not in ALLOWED[folder]:
            problems.append(f'{path}: includes {header}, but {folder} may not use {target}')
    return problems


def self_test():
    """The check notices what it is for."""
    assert problems_of('core/codec/x.cc', '#include <grpcpp/grpcpp.h>\n')
    assert problems_of('core/base/x.h', '#include "core/codec/y.h"\n')
    assert problems_of('client/include/dcac/client.h', '#include "dcac/v1/compression.pb.h"\n')
    assert problems_of('core/other/x.h', '')
    assert not problems_of('core/codec/x.cc', '#include <vector>\n#include "core/base/y.h"\n#include "dcac/codec.h"\n')


def main():
    self_test()
    files = sorted(p for top in ('core', 'proto', 'client', 'server') for suffix in ('h', 'cc')
                   for p in (ROOT / top).rglob(f'*.{suffix}'))
    problems = [problem for p in files for problem in problems_of(p.relative_to(ROOT).as_posix(), p.read_text())]
    print('\n'.join(problems + [f'{len(files)} files, {len(problems)} forbidden includes']))
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
