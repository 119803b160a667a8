#!/usr/bin/env python3
"""Streams whose messages come in HTTP/2 frames of a few bytes, which gRPC makes as many slices of: results are right.

Usage: tiny_frames_test.py DCAC_SERVER.
"""
import random
import struct
import sys

import raw_http2

SERVICE = '/dcac.v1.CompressionService/'
FRAME_BYTES = 24
DTYPE_U8 = LAYOUT_NCHW = 1
TENSOR_BYTES = 2 << 20
CHUNK_BYTES = 512 << 10
CALLS = 4
SECONDS = 240


# Protocol Buffers.


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def number_field(number, value):
    return varint(number << 3) + varint(value)


def bytes_field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """Number -> value; of the kinds that the replies have."""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        found[tag >> 3] = value
    return found


# Streams.


def stream_of(header, data, chunk_field=2):
    """Messages of a request, as gRPC frames them."""
    messages = [bytes_field(1, header)]
    for offset in range(0, len(data), CHUNK_BYTES):
        chunk = number_field(1, offset) + bytes_field(2, data[offset:offset + CHUNK_BYTES])
        messages.append(bytes_field(chunk_field, chunk))
    return b''.join(b'\0' + struct.pack('>I', len(message)) + message for message in messages)


def data_of(received, chunk_field):
    """The data of all chunks, and the trailer's fields."""
    data, at = bytearray(), 0
    while at < len(received):
        size = struct.unpack('>I', received[at + 1:at + 5])[0]
        message = fields(bytes(received[at + 5:at + 5 + size]))
        at += 5 + size
        if chunk_field in message:
            chunk = fields(message[chunk_field])
            assert chunk.get(1, 0) == len(data), (chunk.get(1, 0), len(data))
            data += chunk[2]
    return bytes(data)


def call(port, method, request, chunk_field, times):
    connection = raw_http2.Connection(port, FRAME_BYTES)
    calls = [connection.begin(SERVICE + method, request, ends=True) for _ in range(times)]
    connection.run(SECONDS)
    for at, of in enumerate(calls):
        assert of.ended, f'{method}, call {at}: {of.sent} of {len(request)} bytes sent, no end'
        assert b'grpc-status\x010' in of.trailers, f'{method}, call {at}: {of.trailers}'
    results = {data_of(of.received, chunk_field) for of in calls}
    assert len(results) == 1, f'{method}: {len(results)} different results of {times} equal calls'
    return results.pop()


def main():
    draw = random.Random(1)
    row = bytes(max(0, round(draw.gauss(20, 16))) for _ in range(128))
    tensor = b''.join(bytes(max(0, value + draw.randrange(3) - 1) for value in row) for _ in range(TENSOR_BYTES // len(row)))
    shape = (1, 128, 128, 128)
    spec = number_field(1, DTYPE_U8) + b''.join(number_field(2, n) for n in shape) + number_field(3, LAYOUT_NCHW)
    with raw_http2.running_server(sys.argv[1]) as (_, _, port):
        frame = call(port, 'Compress', stream_of(bytes_field(1, spec), tensor), 2, CALLS)
        assert 0 < len(frame) < len(tensor) / 2, f'a frame of {len(frame)} bytes'
        back = call(port, 'Decompress', stream_of(b'', frame), 3, CALLS)
        assert back == tensor, 'other bytes came back'


if __name__ == '__main__':
    main()
