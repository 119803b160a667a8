#!/usr/bin/env python3
"""Python's gRPC with nothing but generated stubs against a real server.

python_test.py SERVER PROTOC PLUGIN [TEST...]: paths of dcac-server, protoc and grpc_python_plugin.
"""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import grpc
import numpy
import xxhash

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / 'client/examples/python/dcac_stream.py'
DATA = ROOT / 'tests/data'
CALL_SECONDS = 60


def generate_stubs(protoc, plugin, folder):
    subprocess.run([protoc, f'-I{ROOT / "proto"}', f'--python_out={folder}', f'--grpc_python_out={folder}',
                    f'--plugin=protoc-gen-grpc_python={plugin}', 'dcac/v1/compression.proto'], check=True)


def load_example():
    spec = importlib.util.spec_from_file_location('dcac_stream', EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ServerProcess:
    """A server on a Unix socket in `folder`, and a channel to it, until the end of the context."""

    def __init__(self, program, folder, *options):
        self.address = f'unix:{folder}/dcac.sock'
        self.channel = None
        self._command = [program, f'--listen={self.address}', '--lame-duck-ms=0', *options]
        self._log_path = pathlib.Path(folder) / 'server.log'

    def __enter__(self):
        with open(self._log_path, 'wb') as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        # The first attempt mostly comes before the socket does.
        self.channel = grpc.insecure_channel(self.address, [('grpc.initial_reconnect_backoff_ms', 100)])
        grpc.channel_ready_future(self.channel).result(timeout=CALL_SECONDS)
        return self

    def tcp_address(self):
        """Where it listens beside the socket."""
        return re.search(r'127\.0\.0\.1:\d+', self._log_path.read_text()).group()

    def __exit__(self, *_):
        self.channel.close()
        self._process.terminate()
        if self._process.wait(timeout=60) != 0:
            raise RuntimeError(f'the server ended with {self._process.returncode}:\n{self._log_path.read_text()}')


def run_example(*arguments):
    return subprocess.run([sys.executable, EXAMPLE, *arguments, DATA / 'mobilenetv2-b6.u8.npy'], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, 'PYTHONPATH': STUBS})


class PythonTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.server = cls.enterClassContext(ServerProcess(SERVER, folder))
        cls.stub = compression_pb2_grpc.CompressionServiceStub(cls.server.channel)

    def assert_same(self, found, expected):
        self.assertEqual(found.dtype, expected.dtype)
        self.assertEqual(found.shape, expected.shape)
        self.assertEqual(found.tobytes(), expected.tobytes())

    def test_streams_restore_real_activations(self):
        for name in ('mobilenetv2-b6.u8.npy', 'resnet50thin-c4c2.i16.npy', 'yolox-dark5.f16.npy',
                     'resnet50thin-c5b2.f32.npy'):
            with self.subTest(name):
                array = numpy.load(DATA / name)
                frame = example.compress(self.stub, array)
                self.assertLess(len(frame), array.nbytes)
                self.assert_same(example.decompress(self.stub, frame), array)

    def test_streams_longer_than_their_credit(self):
        ramp = numpy.add.outer(numpy.arange(3 * 64), numpy.arange(256 * 256) // 256)
        array = (ramp % 251).astype(numpy.uint8).reshape(3, 64, 256, 256)
        self.assertGreater(array.nbytes, 2 * example.MAX_UNANSWERED_CHUNKS * example.CHUNK_BYTES)
        frame = example.compress(self.stub, array, level=1)
        self.assert_same(example.decompress(self.stub, frame), array)

    def test_every_type_of_numpy_and_every_rank(self):
        source = numpy.random.default_rng(1)
        for number, name in enumerate(example.DTYPES):
            array = source.integers(0, 2, size=(2, 3, 4, 5, 6)[number % 4:]).astype(name)
            with self.subTest(name):
                self.assert_same(example.decompress(self.stub, example.compress(self.stub, array)), array)
        scalar, empty = numpy.array(1.5), numpy.zeros((0, 3), numpy.float32)
        for array in (scalar, empty):
            self.assert_same(example.decompress(self.stub, example.compress(self.stub, array)), array)

    def test_unary_calls_agree_with_streams(self):
        array = numpy.load(DATA / 'mobilenetv2-b6.u8.npy')
        digest = xxhash.xxh3_128_digest(array.tobytes())
        packed = self.stub.CompressTensor(
            pb.CompressTensorRequest(spec=example.spec_of(array), data=array.tobytes(), digest=digest),
            timeout=CALL_SECONDS)
        self.assertEqual(packed.digest, digest)
        self.assertEqual(packed.frame, example.compress(self.stub, array))
        restored = self.stub.DecompressTensor(pb.DecompressTensorRequest(frame=packed.frame), timeout=CALL_SECONDS)
        self.assertEqual(restored.digest, digest)
        self.assert_same(example.array_of(restored.spec, restored.data), array)

    def test_inspect_tells_what_compress_made(self):
        array = numpy.load(DATA / 'mobilenetv2-b6.u8.npy')
        frame = example.compress(self.stub, array)
        chunks = (pb.InspectRequest(chunk=chunk) for chunk in example.Credit().chunks(frame))
        *_, last = self.stub.Inspect(chunks, timeout=CALL_SECONDS)
        self.assertEqual(last.info.spec, example.spec_of(array))
        self.assertEqual((last.info.raw_bytes, last.info.stored_bytes), (array.nbytes, len(frame)))

    def test_batch_answers_each_item_even_a_wrong_one(self):
        array = numpy.load(DATA / 'mobilenetv2-b6.u8.npy')[:1]
        spec, wrong = example.spec_of(array), pb.TensorSpec(dtype=pb.DATA_TYPE_U8, shape=[1], layout=pb.LAYOUT_FLAT)
        items = [pb.BatchCompressRequest(item_id=7, spec=spec, data=array.tobytes()),
                 pb.BatchCompressRequest(item_id=8, spec=wrong, data=array.tobytes()),
                 pb.BatchCompressRequest(item_id=9, spec=spec, data=array.tobytes())]
        first, second, third = self.stub.BatchCompress(iter(items), timeout=CALL_SECONDS)
        self.assertEqual([r.item_id for r in (first, second, third)], [7, 8, 9])
        self.assertEqual((first.code, second.code, third.code), (0, grpc.StatusCode.INVALID_ARGUMENT.value[0], 0))
        self.assertNotEqual(second.message, '')
        self.assert_same(example.decompress(self.stub, first.frame), array)
        self.assertEqual(third.frame, first.frame)

    def test_errors_have_their_code_and_say_what_is_wrong(self):
        array = numpy.arange(256, dtype=numpy.uint8)
        frame = bytearray(example.compress(self.stub, array))
        frame[len(frame) // 2] ^= 1
        with self.assertRaises(grpc.RpcError) as damaged:
            example.decompress(self.stub, bytes(frame))
        self.assertEqual(damaged.exception.code(), grpc.StatusCode.DATA_LOSS)
        with self.assertRaises(grpc.RpcError) as level:
            example.compress(self.stub, array, level=10)
        self.assertEqual(level.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn('10', level.exception.details())

    def test_the_example_runs_as_a_program(self):
        result = run_example(self.server.address)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertRegex(result.stdout, r'uint8 .*: \d+ bytes, frame \d+, ratio \d\.\d+, restored')

    def test_the_example_shows_a_token_over_tls(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        subprocess.run([ROOT / 'deploy/make-certificates', folder, '127.0.0.1'], check=True)
        with open(folder / 'tokens', 'wb') as tokens, open(folder / 'token', 'wb') as token:
            os.chmod(folder / 'tokens', 0o600)
            subprocess.run([SERVER, 'new-token', '--name=python', '--tenant=tests', '--scopes=read,write'], check=True,
                           stdout=tokens, stderr=token)
        options = [f'--tls-certificate-file={folder}/tls.crt', f'--tls-key-file={folder}/tls.key',
                   f'--token-file={folder}/tokens', '--listen=127.0.0.1:0']
        with ServerProcess(SERVER, folder, *options) as server:
            ca, token = f'--ca-file={folder}/ca.crt', f'--token-file={folder}/token'
            accepted = run_example(server.tcp_address(), ca, token)
            self.assertEqual(accepted.returncode, 0, accepted.stdout)
            self.assertIn('UNAUTHENTICATED', run_example(server.tcp_address(), ca).stdout)


if __name__ == '__main__':
    SERVER, PROTOC, PLUGIN = (sys.argv.pop(1) for _ in range(3))
    with tempfile.TemporaryDirectory() as STUBS:
        generate_stubs(PROTOC, PLUGIN, STUBS)
        sys.path.insert(0, STUBS)
        from dcac.v1 import compression_pb2 as pb
        from dcac.v1 import compression_pb2_grpc
        example = load_example()
        unittest.main()
