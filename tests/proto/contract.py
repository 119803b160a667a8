#!/usr/bin/env python3
"""Keeps the wire contract: proto/contract.txtpb has the descriptors of what was promised so far.

  contract.py check    exit status 1 if today's .proto files break it, or add what it does not have yet
  contract.py update   writes today's descriptors into it; with --break even if they break it

A break is what makes a client or a server built before misread, or fail to build against, the files of today: something
removed, renumbered, renamed or of another type.  Comments and the files in which things stand are free.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, text_format

PROTO = pathlib.Path(__file__).resolve().parents[2] / 'proto'
CONTRACT = PROTO / 'contract.txtpb'
COMMENT = '# The contract as it was promised: written by tests/proto/contract.py update.\n'

FIELD = descriptor_pb2.FieldDescriptorProto


def describe(proto_root, protoc):
    """The descriptors of all .proto files below `proto_root`."""
    files = sorted(p.relative_to(proto_root).as_posix() for p in pathlib.Path(proto_root).rglob('*.proto'))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([protoc, f'--proto_path={proto_root}', f'--descriptor_set_out={out.name}', *files], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())


class Contract:
    """Messages, enums and services by their full names."""

    def __init__(self, files):
        self.messages, self.enums, self.services, self.syntaxes = {}, {}, {}, {}
        for file in files.file:
            self.syntaxes[file.package] = file.syntax or 'proto2'
            self.services.update((f'{file.package}.{s.name}', s) for s in file.service)
            self._add(file.package, file.message_type, file.enum_type)

    def _add(self, scope, messages, enums):
        self.enums.update((f'{scope}.{e.name}', e) for e in enums)
        for message in messages:
            name = f'{scope}.{message.name}'
            self.messages[name] = message
            self._add(name, message.nested_type, message.enum_type)


def breaks(old_files, new_files):
    """What of `old_files` is not kept by `new_files`, a line each."""
    old, new = Contract(old_files), Contract(new_files)
    found = [f'package {p}: syntax {s} became {new.syntaxes[p]}' for p, s in old.syntaxes.items()
             if p in new.syntaxes and new.syntaxes[p] != s]
    found += compare('message', old.messages, new.messages, message_breaks)
    found += compare('enum', old.enums, new.enums, enum_breaks)
    found += compare('service', old.services, new.services, service_breaks)
    return found


def compare(kind, old, new, breaks_of):
    """Breaks of everything in `old`, by key: what is gone, and what `breaks_of` finds, named by kind and key."""
    found = []
    for key, thing in old.items():
        found += breaks_of(f'{kind} {key}', thing, new[key]) if key in new else [f'{kind} {key}: removed']
    return found


def message_breaks(where, old, new):
    found = compare(f'{where}: field', {f.number: f for f in old.field}, {f.number: f for f in new.field},
                    lambda name, a, b: field_breaks(name, oneof_of(old, a), a, oneof_of(new, b), b))
    used = {f.number: f.name for f in new.field}
    # The end of a message's range is the first number beyond it.
    return found + reserved_breaks(where, old, new, used, 0)


def enum_breaks(where, old, new):
    numbers = {v.name: v.number for v in new.value}
    found = []
    for value in old.value:
        if value.name not in numbers:
            found.append(f'{where}: value {value.name} = {value.number}: removed')
        elif numbers[value.name] != value.number:
            found.append(f'{where}: value {value.name}: number {value.number} became {numbers[value.name]}')
    used = {v.number: v.name for v in new.value}
    # The end of an enum's range belongs to it.
    return found + reserved_breaks(where, old, new, used, 1)


def service_breaks(where, old, new):
    return compare(f'{where}: rpc', {m.name: m for m in old.method}, {m.name: m for m in new.method},
                   lambda name, a, b: changes(name, a, b, {
                       'request': lambda m: m.input_type, 'response': lambda m: m.output_type,
                       'streaming of requests': lambda m: m.client_streaming,
                       'streaming of responses': lambda m: m.server_streaming}))


def oneof_of(message, field):
    return message.oneof_decl[field.oneof_index].name if field.HasField('oneof_index') else 'none'


def field_breaks(where, old_oneof, old, new_oneof, new):
    found = changes(where, old, new, {
        'name': lambda f: f.name, 'JSON name': lambda f: f.json_name,
        'type': lambda f: f.type_name or FIELD.Type.Name(f.type), 'label': lambda f: FIELD.Label.Name(f.label),
        'presence': lambda f: f.proto3_optional, 'packing': lambda f: f.options.packed})
    if old_oneof != new_oneof and not found:
        found.append(f'{where}: oneof {old_oneof} became {new_oneof}')
    return found


def changes(where, old, new, properties):
    return [f'{where}: {name} {get(old)} became {get(new)}' for name, get in properties.items() if get(old) != get(new)]


def reserved_breaks(where, old, new, used, end_belongs):
    """What `old` reserves has to stay reserved; protoc refuses what a message itself reserves and uses."""
    def numbers(thing):
        return {(r.start, r.end + end_belongs) for r in thing.reserved_range}

    found = []
    for start, end in sorted(numbers(old)):
        if not any(s <= start and end <= e for s, e in numbers(new)):
            taken = [f', taken by {name}' for number, name in used.items() if start <= number < end]
            found.append(f'{where}: reserved numbers {start} to {end - 1}: given up{"".join(taken)}')
    return found + [f'{where}: reserved name {name}: given up' for name in old.reserved_name
                    if name not in new.reserved_name]


def check(promised, today):
    """Lines that say what is wrong."""
    found = breaks(promised, today)
    if not found and promised != today:
        found = [f'{CONTRACT.name} lacks what the .proto files have: run tests/proto/contract.py update']
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('verb', choices=['check', 'update'])
    parser.add_argument('--protoc', default='protoc')
    parser.add_argument('--break', dest='may_break', action='store_true')
    arguments = parser.parse_args()

    today = describe(PROTO, arguments.protoc)
    promised = descriptor_pb2.FileDescriptorSet()
    if CONTRACT.exists():
        promised = text_format.Parse(CONTRACT.read_text(), promised)
    found = check(promised, today) if arguments.verb == 'check' else breaks(promised, today)
    print('\n'.join(found + [f'{len(today.file)} files, {len(found)} breaks of the contract']))
    if found and not (arguments.verb == 'update' and arguments.may_break):
        return 1
    if arguments.verb == 'update':
        CONTRACT.write_text(COMMENT + text_format.MessageToString(today))
    return 0


if __name__ == '__main__':
    sys.exit(main())
