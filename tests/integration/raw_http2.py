"""HTTP/2 by hand, for what no gRPC library sends: calls that never end, messages in frames of a few bytes."""
import contextlib
import dataclasses
import re
import socket
import struct
import subprocess
import tempfile
import time

DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
ACK = END_STREAM = 1
END_HEADERS = 4
START_WINDOW = 65535
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4  # settings
LARGEST_FRAME = 16384  # that needs no setting
ENOUGH_TO_SEND = 1 << 18


@contextlib.contextmanager
def running_server(program, *options):
    """Gives the process, and where it listens: a Unix socket and a port."""
    with tempfile.TemporaryDirectory() as folder:
        address = f'unix:{folder}/socket'
        server = subprocess.Popen([program, f'--listen={address}', '--listen=127.0.0.1:0', '--lame-duck-ms=0',
                                   '--drain-seconds=0', *options], stderr=subprocess.PIPE, text=True)
        try:
            yield server, address, int(re.search(r'127\.0\.0\.1:(\d+)', server.stderr.readline())[1])
        finally:
            server.kill()
            server.wait()


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def field(name, value):
    """Of HPACK: a literal without index."""
    return b'\0' + bytes([len(name)]) + name + bytes([len(value)]) + value


@dataclasses.dataclass
class Call:
    data: memoryview  # to be sent
    ends: bool  # after the data
    sent: int = 0
    window: int = 0  # beyond that of all calls
    received: bytearray = dataclasses.field(default_factory=bytearray)
    ended: bool = False
    trailers: bytes = b''


class Connection:
    """Sends the data of its calls as far as the server lets it, in frames of at most so many bytes."""

    def __init__(self, port, frame_bytes=LARGEST_FRAME):
        self.calls = {}
        self._frame_bytes = frame_bytes
        self._socket = socket.create_connection(('127.0.0.1', port))
        self._received = b''
        self._window = self._call_window = START_WINDOW
        self._out = bytearray(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
        self._out += frame(SETTINGS, 0, 0, struct.pack('>HI', HEADER_TABLE_SIZE, 0))  # so that trailers are text

    def begin(self, path, data, ends):
        request = b''.join(field(*pair) for pair in (
            (b':method', b'POST'), (b':scheme', b'http'), (b':authority', b'localhost'), (b':path', path.encode()),
            (b'te', b'trailers'), (b'content-type', b'application/grpc')))
        stream = 2 * len(self.calls) + 1
        self._out += frame(HEADERS, END_HEADERS, stream, request)
        call = self.calls[stream] = Call(memoryview(data), ends)
        return call

    def _take(self, kind, flags, stream, payload):
        call = self.calls.get(stream)
        if kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                key, value = struct.unpack('>HI', payload[i:i + 6])
                if key == INITIAL_WINDOW_SIZE:
                    self._call_window = value
            self._out += frame(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self._out += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += struct.unpack('>I', payload)[0]
        elif call is None:
            return
        elif kind == WINDOW_UPDATE:
            call.window += struct.unpack('>I', payload)[0]
        elif kind == DATA and payload:
            call.received += payload
            for of in (0, stream):
                self._out += frame(WINDOW_UPDATE, 0, of, struct.pack('>I', len(payload)))
        call_ends = kind == RESET or (kind in (DATA, HEADERS) and flags & END_STREAM)
        if call is not None and call_ends:
            call.ended = True
            call.trailers = payload if kind == HEADERS else call.trailers

    def _receive(self, timeout):
        """False when the server was silent."""
        self._socket.settimeout(timeout)
        try:
            piece = self._socket.recv(1 << 16)
        except TimeoutError:
            return False
        self._received += piece
        while len(self._received) >= 9 + (size := int.from_bytes(self._received[:3], 'big')):
            head, payload = self._received[:9], self._received[9:9 + size]
            self._received = self._received[9 + size:]
            self._take(head[3], head[4], int.from_bytes(head[5:9], 'big'), payload)
        return bool(piece)

    def _fill(self):
        """In turns, a frame of each call."""
        filled = True
        while filled and len(self._out) < ENOUGH_TO_SEND:
            filled = False
            for stream, call in self.calls.items():
                left = len(call.data) - call.sent
                room = min(self._frame_bytes, self._window, self._call_window + call.window - call.sent, left)
                if call.ended or room <= 0 or len(self._out) >= ENOUGH_TO_SEND:
                    continue
                flags = END_STREAM if call.ends and room == left else 0
                self._out += frame(DATA, flags, stream, bytes(call.data[call.sent:call.sent + room]))
                call.sent += room
                self._window -= room
                filled = True

    def run(self, seconds):
        """Until all calls ended, the server neither speaks nor takes more, or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not all(call.ended for call in self.calls.values()):
            self._fill()
            sends = bool(self._out)
            self._socket.settimeout(10)
            self._socket.sendall(self._out)
            self._out.clear()
            if not self._receive(0.001 if sends else 1) and not sends:
                return
