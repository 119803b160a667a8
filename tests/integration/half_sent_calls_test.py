#!/usr/bin/env python3
"""Calls without a token whose message never ends: they do not take the server's memory, and others are served meanwhile.

Usage: half_sent_calls_test.py DCAC_SERVER.
"""
import pathlib
import re
import struct
import subprocess
import sys

import raw_http2

BUDGET_MIB = 64
BEFORE_ADMISSION_MIB = 256
ELSE_MIB = 160  # the program, buffers of sockets
CALLS = 200
MESSAGE_BYTES = 4 << 20


def peak_mib(server):
    status = pathlib.Path(f'/proc/{server.pid}/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) >> 10


def main():
    program = sys.argv[1]
    with raw_http2.running_server(program, f'--budget-bytes={BUDGET_MIB}MiB') as (server, address, port):
        connection = raw_http2.Connection(port)
        message = b'\0' + struct.pack('>I', MESSAGE_BYTES) + bytes(MESSAGE_BYTES - 1)  # but for the last byte
        for _ in range(CALLS):
            connection.begin('/dcac.v1.CompressionService/CompressTensor', message, ends=False)
        connection.run(seconds=20)
        peak = peak_mib(server)
        healthy = subprocess.run([program, 'health', address]).returncode == 0
        left = [call.sent for call in connection.calls.values() if not call.ended]
        print(f'{CALLS} calls, {len(left)} left with {sum(left) >> 20} MiB; peak {peak} MiB')
        assert peak <= BUDGET_MIB + BEFORE_ADMISSION_MIB + ELSE_MIB, 'they took the memory'
        assert peak >= BUDGET_MIB, 'nothing was sent: this tests nothing'
        assert healthy, 'others are not served'


if __name__ == '__main__':
    main()
