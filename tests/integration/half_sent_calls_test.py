#!/usr/bin/env python3
"""Calls without a token whose message never ends: they do not take the server's memory, and others are served meanwhile.

Usage: half_sent_calls_test.py DCAC_SERVER.  No gRPC library sends such calls: this speaks HTTP/2 itself.
"""
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

BUDGET_MIB = 64
BEFORE_ADMISSION_MIB = 256
ELSE_MIB = 160  # the program, buffers of sockets
CALLS = 200
MESSAGE_BYTES = 4 << 20
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
ACK, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def field(name, value):
    """Of HPACK: a literal without index."""
    return b'\0' + bytes([len(name)]) + name + bytes([len(value)]) + value


class HalfSender:
    """Begins calls, and sends of each as much as the server lets it, but for the last byte."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port))
        self.received = b''
        self.window = self.stream_window = 65535
        self.extra = {2 * i + 1: 0 for i in range(CALLS)}
        self.sent = dict.fromkeys(self.extra, 0)
        request = b''.join(field(*pair) for pair in (
            (b':method', b'POST'), (b':scheme', b'http'), (b':authority', b'localhost'),
            (b':path', b'/dcac.v1.CompressionService/CompressTensor'), (b'te', b'trailers'),
            (b'content-type', b'application/grpc')))
        self.out = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(SETTINGS, 0, 0)
        self.out += b''.join(frame(HEADERS, END_HEADERS, stream, request) for stream in self.sent)

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                key, value = struct.unpack('>HI', payload[i:i + 6])
                if key == 4:
                    self.stream_window = value
            self.out += frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.out += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE and stream == 0:
            self.window += struct.unpack('>I', payload)[0]
        elif kind == WINDOW_UPDATE and stream in self.extra:
            self.extra[stream] += struct.unpack('>I', payload)[0]
        elif kind == RESET:
            self.sent.pop(stream, None)

    def receive(self, timeout):
        """False when the server was silent."""
        self.socket.settimeout(timeout)
        try:
            piece = self.socket.recv(1 << 16)
        except TimeoutError:
            return False
        self.received += piece
        while len(self.received) >= 9 + (size := int.from_bytes(self.received[:3], 'big')):
            head, payload = self.received[:9], self.received[9:9 + size]
            self.received = self.received[9 + size:]
            self.take(head[3], head[4], int.from_bytes(head[5:9], 'big'), payload)
        return bool(piece)

    def fill(self):
        for stream, sent in self.sent.items():
            if len(self.out) > 1 << 18:
                return
            room = min(16384, self.window, self.stream_window + self.extra[stream] - sent, MESSAGE_BYTES + 4 - sent)
            if room < 5:
                continue
            start = b'\0' + struct.pack('>I', MESSAGE_BYTES) if sent == 0 else b''
            self.out += frame(DATA, 0, stream, start.ljust(room, b'x'))
            self.sent[stream] += room
            self.window -= room

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.fill()
            sends = bool(self.out)
            self.socket.settimeout(10)
            self.socket.sendall(self.out)
            self.out = b''
            if not self.receive(0.001 if sends else 1) and not sends:
                return  # the server neither speaks nor takes more


def peak_mib(pid):
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) >> 10


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        listen = f'unix:{folder}/socket'
        server = subprocess.Popen([program, f'--listen={listen}', '--listen=127.0.0.1:0', '--lame-duck-ms=0',
                                   '--drain-seconds=0', f'--budget-bytes={BUDGET_MIB}MiB'], stderr=subprocess.PIPE, text=True)
        try:
            port = int(re.search(r'127\.0\.0\.1:(\d+)', server.stderr.readline())[1])
            sender = HalfSender(port)
            sender.run(seconds=20)
            peak = peak_mib(server.pid)
            healthy = subprocess.run([program, 'health', listen]).returncode == 0
            print(f'{CALLS} calls, {len(sender.sent)} left with {sum(sender.sent.values()) >> 20} MiB; peak {peak} MiB')
            assert peak <= BUDGET_MIB + BEFORE_ADMISSION_MIB + ELSE_MIB, 'they took the memory'
            assert peak >= BUDGET_MIB, 'nothing was sent: this tests nothing'
            assert healthy, 'others are not served'
        finally:
            server.kill()
            server.wait()


if __name__ == '__main__':
    main()
