#!/usr/bin/env python3
"""Sends an array through a dcac-server and back: streams in Python, with nothing but generated stubs.

Debian packages: python3-grpcio python3-numpy python3-xxhash; protobuf-compiler-grpc to generate the stubs:

  protoc -Iproto --python_out=stubs --grpc_python_out=stubs proto/dcac/v1/compression.proto \\
    --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin
  PYTHONPATH=stubs client/examples/python/dcac_stream.py unix:/run/dcac/dcac.sock activation.npy
"""
import argparse
import sys
import threading

import grpc
import numpy
import xxhash

from dcac.v1 import compression_pb2 as pb
from dcac.v1 import compression_pb2_grpc

CHUNK_BYTES = 256 << 10
MAX_UNANSWERED_CHUNKS = 16  # the contract's; a server may stop reading beyond it

DTYPES = {
    'uint8': pb.DATA_TYPE_U8, 'int8': pb.DATA_TYPE_I8, 'uint16': pb.DATA_TYPE_U16, 'int16': pb.DATA_TYPE_I16,
    'uint32': pb.DATA_TYPE_U32, 'int32': pb.DATA_TYPE_I32, 'uint64': pb.DATA_TYPE_U64, 'int64': pb.DATA_TYPE_I64,
    'float16': pb.DATA_TYPE_F16, 'float32': pb.DATA_TYPE_F32, 'float64': pb.DATA_TYPE_F64, 'bool': pb.DATA_TYPE_BOOL,
    'complex64': pb.DATA_TYPE_C64, 'complex128': pb.DATA_TYPE_C128,
}
NUMPY_DTYPES = {number: name for name, number in DTYPES.items()}


class Credit:
    """Lets a stream's writer go on as far as the answers that its reader saw allow."""

    def __init__(self):
        self._condition = threading.Condition()
        self._consumed_bytes = 0
        self._closed = False

    def chunks(self, data):
        """Yields `data` in chunks, each as soon as it may be sent."""
        for offset in range(0, len(data), CHUNK_BYTES):
            needed = offset - (MAX_UNANSWERED_CHUNKS - 1) * CHUNK_BYTES
            with self._condition:
                self._condition.wait_for(lambda n=needed: self._consumed_bytes >= n or self._closed)
                if self._closed:
                    return
            yield pb.Chunk(offset=offset, data=bytes(data[offset:offset + CHUNK_BYTES]))

    def responses(self, stream):
        """Yields the responses of `stream`; the writer ends with them, even if they end with an error."""
        try:
            for response in stream:
                with self._condition:
                    self._consumed_bytes = response.consumed_bytes
                    self._condition.notify()
                yield response
        finally:
            with self._condition:
                self._closed = True
                self._condition.notify()


def spec_of(array):
    layout = pb.LAYOUT_NCHW if array.ndim >= 3 else pb.LAYOUT_TOKENS if array.ndim == 2 else pb.LAYOUT_FLAT
    return pb.TensorSpec(dtype=DTYPES[array.dtype.name], shape=array.shape, layout=layout)


def samples_of(array):
    """The bytes that the contract wants: row-major, little-endian."""
    return array.astype(array.dtype.newbyteorder('<')).tobytes()


def array_of(spec, data):
    return numpy.frombuffer(data, numpy.dtype(NUMPY_DTYPES[spec.dtype]).newbyteorder('<')).reshape(tuple(spec.shape))


def verify(trailer, tensor, frame):
    """Results are valid only if the trailer came and agrees with what was sent and received."""
    if trailer is None:
        raise ValueError('the stream ended without its trailer')
    found = (len(tensor), len(frame), xxhash.xxh3_128_digest(tensor))
    if found != (trailer.raw_bytes, trailer.stored_bytes, trailer.digest):
        raise ValueError(f'found {found}, the trailer says {trailer}')


def compress(stub, array, level=5):
    """The frame of `array`."""
    data, frame, trailer, credit = samples_of(array), bytearray(), None, Credit()

    def requests():
        header = pb.CompressHeader(spec=spec_of(array), options=pb.EncodeOptions(level=level))
        yield pb.CompressRequest(header=header)
        for chunk in credit.chunks(data):
            yield pb.CompressRequest(chunk=chunk)

    for response in credit.responses(stub.Compress(requests())):
        frame += response.chunk.data
        if response.HasField('trailer'):
            trailer = response.trailer
    verify(trailer, data, frame)
    return bytes(frame)


def decompress(stub, frame):
    """The array that `frame` holds."""
    data, spec, trailer, credit = bytearray(), None, None, Credit()

    def requests():
        yield pb.DecompressRequest(header=pb.DecompressHeader())
        for chunk in credit.chunks(frame):
            yield pb.DecompressRequest(chunk=chunk)

    for response in credit.responses(stub.Decompress(requests())):
        if response.HasField('spec'):
            spec = response.spec
        data += response.chunk.data
        if response.HasField('trailer'):
            trailer = response.trailer
    verify(trailer, data, frame)
    return array_of(spec, data)


def connect(address, ca_file=None, token_file=None):
    """A channel; with a file of certificates over TLS, with a token in each call."""
    if ca_file is None:
        return grpc.insecure_channel(address)
    with open(ca_file, 'rb') as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    if token_file is not None:
        with open(token_file, encoding='ascii') as file:
            token = grpc.access_token_call_credentials(file.read().strip())
        credentials = grpc.composite_channel_credentials(credentials, token)
    return grpc.secure_channel(address, credentials)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('address', help='unix:PATH or HOST:PORT')
    parser.add_argument('file', help='of an array, .npy')
    parser.add_argument('--ca-file', help='of the certificates that the server is trusted by')
    parser.add_argument('--token-file', help='of the token that the server asks for')
    arguments = parser.parse_args()

    array = numpy.load(arguments.file)
    with connect(arguments.address, arguments.ca_file, arguments.token_file) as channel:
        stub = compression_pb2_grpc.CompressionServiceStub(channel)
        frame = compress(stub, array)
        same = samples_of(decompress(stub, frame)) == samples_of(array)
    print(f'{array.dtype} {array.shape}: {array.nbytes} bytes, frame {len(frame)}, '
          f'ratio {array.nbytes / len(frame):.3f}, {"restored" if same else "NOT restored"}')
    return 0 if same else 1


if __name__ == '__main__':
    sys.exit(main())
