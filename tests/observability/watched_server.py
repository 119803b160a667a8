"""A server with a metrics listener, for the tests of this folder."""
import json
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import grpc

DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'
SERVICE = '/dcac.v1.CompressionService/'
HUNG_SECONDS = 60


class WatchedServer:
    """Runs until the end of the context."""

    def __init__(self, program, *options):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self.address = f'unix:{self.folder}/socket'
        self._command = [program, f'--listen={self.address}', '--metrics-listen=127.0.0.1:0', *options]
        self._lines = []
        self._changed = threading.Condition()

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        first = self.wait_for_line(r'^dcac-server: .*')
        self.url = re.search(r'http://127\.0\.0\.1:\d+', first).group()
        self.channel = grpc.insecure_channel(self.address)
        return self

    def __exit__(self, *_):
        self.channel.close()
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stderr.close()
        self._folder.cleanup()

    def _read_log(self):
        for line in self._process.stderr:
            with self._changed:
                self._lines.append(line.rstrip('\n'))
                self._changed.notify_all()

    def lines(self, pattern=''):
        with self._changed:
            return [line for line in self._lines if re.search(pattern, line)]

    def wait_for_line(self, pattern):
        """The first line of the log that `pattern` finds."""
        with self._changed:
            found = self._changed.wait_for(lambda: next(filter(re.compile(pattern).search, self._lines), None),
                                           HUNG_SECONDS)
        assert found, f'no line has {pattern}: {self._lines}'
        return found

    def get(self, path, method='GET'):
        """Status, headers and text of a page."""
        request = urllib.request.Request(self.url + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=HUNG_SECONDS) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def status(self):
        return json.loads(self.get('/statusz?format=json')[2])

    def metrics(self):
        return self.get('/metrics')[2]

    def wait_for_calls(self, number):
        """Calls end for the server a moment after they end for the client."""
        end = time.monotonic() + HUNG_SECONDS
        while sum(self.status()['calls_by_code'].values()) < number:
            assert time.monotonic() < end, f'fewer than {number} calls: {self.status()}'
            time.sleep(0.01)

    def call(self, method, metadata=(), request=b''):
        """A unary call by its bytes; an empty message is valid for every method."""
        return self.channel.unary_unary(method)(request, timeout=HUNG_SECONDS, metadata=metadata, wait_for_ready=True)

    def capabilities(self, **metadata):
        return self.call(SERVICE + 'GetCapabilities', tuple((key.replace('_', '-'), value) for key, value in metadata.items()))

    def run_cli(self, dcac, *arguments):
        return subprocess.run([dcac, *arguments], check=True, capture_output=True, text=True, timeout=HUNG_SECONDS,
                              cwd=self.folder).stdout

    def compress_some(self, dcac):
        """Some streams of both directions."""
        files = [str(DATA / name) for name in ('mobilenetv2-b6.u8.npy', 'esrgan-up2.u8.npy')]
        output = ['-o', self.folder / 'one.dcac']
        for file in files:
            self.run_cli(dcac, 'compress', '-q', '-f', f'--server={self.address}', file, *output)
            self.run_cli(dcac, 'test', '-q', f'--server={self.address}', self.folder / 'one.dcac')

    def terminate(self):
        self._process.send_signal(signal.SIGTERM)

    def wait(self):
        """The exit status, after terminate()."""
        self.channel.close()  # or the server waits until Python gets to notice that it goes
        return self._process.wait(HUNG_SECONDS)


class WatchedServerTest(unittest.TestCase):
    """Tests of one server each."""

    program = None  # of the server
    dcac = None

    def start(self, *options, lame_duck_ms=0):
        server = WatchedServer(self.program, f'--lame-duck-ms={lame_duck_ms}', *options)
        self.enterContext(server)
        return server

    @classmethod
    def run_all(cls, arguments):
        """`arguments`: sys.argv, with the programs dcac-server and dcac in front."""
        cls.program, cls.dcac = (pathlib.Path(arguments.pop(1)).resolve() for _ in range(2))
        unittest.main(module='__main__')
