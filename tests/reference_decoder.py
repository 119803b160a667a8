#!/usr/bin/env python3
"""reference_decoder.py [--frame] [--no-checksums] FILE OUT

A second decoder of dcac, written from docs/format.md alone: it restores the original file of the archive FILE.  With
--frame, FILE is a bare frame and OUT becomes the raw samples.  Numbers in brackets are sections of the document.

It is written to be read next to the document, not to be fast (some 10 KB/s).  Needs numpy and the C libraries libxxhash
(0.8) and libzstd.  --no-checksums goes without libxxhash: damage may then go unnoticed.
"""
import argparse
import copy
import ctypes
import ctypes.util
import functools
import math
import struct
import sys

import numpy as np


class Malformed(ValueError):
    """The data is not what an encoder writes."""


class Unsupported(ValueError):
    """The data is of a later version, or needs a library that is missing."""


def check(condition, what):
    if not condition:
        raise Malformed(what)


# ---- Libraries ------------------------------------------------------------------------------------------------------

@functools.cache
def library(name):
    path = ctypes.util.find_library(name)
    if path is None:
        hint = ', or --no-checksums' if name == 'xxhash' else ''
        raise Unsupported(f'lib{name} is missing (Debian: lib{name}{"0" if name == "xxhash" else "1"}{hint})')
    return ctypes.CDLL(path)


class Hash128(ctypes.Structure):
    _fields_ = [('low', ctypes.c_uint64), ('high', ctypes.c_uint64)]


def xxh3_64(data, seed=0):
    function = library('xxhash').XXH3_64bits_withSeed
    function.restype = ctypes.c_uint64
    return function(bytes(data), ctypes.c_size_t(len(data)), ctypes.c_uint64(seed))


def xxh3_128(data):
    function = library('xxhash').XXH3_128bits
    function.restype = Hash128
    result = function(bytes(data), ctypes.c_size_t(len(data)))
    return struct.pack('>QQ', result.high, result.low)


def unzstd(data, size):
    """The content of a Zstandard frame that has `size` bytes of it."""
    function = library('zstd').ZSTD_decompress
    function.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(max(size, 1))
    count = function(out, ctypes.c_size_t(size), bytes(data), ctypes.c_size_t(len(data)))
    check(count == size, 'zstd data does not decode to the size it should')
    return out.raw[:size]


class Checksums:
    """Compares checksums, unless told to ignore them."""

    def __init__(self, ignored=False):
        self.ignored = ignored

    def check32(self, data, expected, what):
        check(self.ignored or xxh3_64(data) & 0xffffffff == expected, f'{what}: wrong checksum')

    def check64(self, data, seed, expected, what):
        check(self.ignored or xxh3_64(data, seed) == expected, f'{what}: wrong checksum')

    def check128(self, data, expected, what):
        check(self.ignored or xxh3_128(data) == expected, f'{what}: wrong digest')


# ---- [1] Conventions ------------------------------------------------------------------------------------------------

def bitwidth(n):
    return n.bit_length()


def clamp(v, a, b):
    return a if v < a else b if v > b else v


class Reader:
    """Takes bytes from the front of `data`."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, count):
        check(count <= len(self.data) - self.position, 'the data ends too early')
        self.position += count
        return self.data[self.position - count:self.position]

    def byte(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack('<I', self.take(4))[0]

    def u64(self):
        return struct.unpack('<Q', self.take(8))[0]

    def varint(self, most_bytes=10):
        value = 0
        for i in range(most_bytes):
            byte = self.byte()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                check(byte or i == 0, 'a varint is longer than needed')
                check(value < 1 << 64, 'a varint has more than 64 bits')
                return value
        raise Malformed('a varint is too long')

    def at_end(self):
        return self.position == len(self.data)

    def left(self):
        return len(self.data) - self.position


# ---- [2] Frame ------------------------------------------------------------------------------------------------------

class DType:
    """A dtype whose samples have no parts, or the kind of a plane set [7]."""

    def __init__(self, name, width, mantissa=None, bias=0):
        self.name, self.width, self.mantissa = name, width, mantissa
        self.bytes = width // 8
        self.component, self.components = self, 1
        self.is_float = mantissa is not None
        self.is_narrow = width == 8
        self.bias = bias  # of the exponent, less than that of binary32
        self.least_base = bias + 1
        self.low = 0 if name[0] == 'u' else -1 << (width - 1)
        self.high = self.low + (1 << width) - 1


U8, I8, U16, I16 = DType('u8', 8), DType('i8', 8), DType('u16', 16), DType('i16', 16)
F16, BF16, F32 = DType('f16', 16, 10, 112), DType('bf16', 16, 7), DType('f32', 32, 23)
U32, I32, U64, I64 = DType('u32', 32), DType('i32', 32), DType('u64', 64), DType('i64', 64)
F64 = DType('f64', 64, 52)
F8E4M3, F8E5M2, BOOL = DType('f8e4m3', 8, 3), DType('f8e5m2', 8, 2), DType('bool', 8)
MODELLED = (U8, I8, U16, I16, I32, F16, BF16, F32)
UNSIGNED = {8: np.uint8, 16: np.dtype('<u2'), 32: np.dtype('<u4'), 64: np.dtype('<u8')}


class ComplexDType:
    """A pair of components."""

    def __init__(self, name, component):
        self.name, self.component, self.components = name, component, 2
        self.bytes = 2 * component.bytes


DTYPES = dict(enumerate((U8, I8, U16, I16, F16, BF16, F32, U32, I32, U64, I64, F64, F8E4M3, F8E5M2, BOOL,
                         ComplexDType('c64', F32), ComplexDType('c128', F64)), 1))
NCHW, NHWC, TOKENS, HEADS, FLAT = range(1, 6)
LEAST_RANK = {NCHW: 0, NHWC: 3, TOKENS: 2, HEADS: 3, FLAT: 0}


class Header:
    """dtype, layout, shape and, unless the tensor is empty, steps."""

    def __init__(self, reader, checksums):
        start = reader.position
        check(reader.take(3) == b'\xdc\xac\x46', 'not a dcac frame')
        if reader.byte() != 1:
            raise Unsupported('a frame of a later version')
        dtype, layout, flags, rank = reader.take(4)
        if flags:
            raise Unsupported(f'a frame with flags {flags:#x}')
        check(dtype in DTYPES, f'dtype {dtype}')
        check(layout in LEAST_RANK, f'layout {layout}')
        check(LEAST_RANK[layout] <= rank <= 8, f'rank {rank} of layout {layout}')
        self.dtype, self.layout = DTYPES[dtype], layout
        self.shape = tuple(reader.varint() for _ in range(rank))
        size = self.dtype.bytes
        for extent in self.shape:
            size *= max(extent, 1)
        check(size <= 1 << 62, 'the tensor is too large')
        self.is_empty = 0 in self.shape
        self.steps = () if self.is_empty else tuple(reader.varint() for _ in range(3))
        end = reader.position
        checksums.check32(reader.data[start:end], reader.u32(), 'header')


class Segment:
    """number, box (what it holds), body and stored bytes (size, body and checksum)."""

    def __init__(self, reader, number, box, dtype, checksums):
        start = reader.position
        self.number, self.box = number, box
        size = reader.varint()
        check(1 <= size <= 1 + box.samples * dtype.bytes, f'segment {number}: {size} bytes')
        self.body = reader.take(size)
        checksums.check64(self.body, number, reader.u64(), f'segment {number}')
        self.stored = reader.position - start


def read_segments(reader, header, checksums):
    boxes = [] if header.is_empty else segment_boxes(header)
    return [Segment(reader, number, box, header.dtype.component, checksums) for number, box in enumerate(boxes)]


def decode_frame(data, checksums):
    """Header and samples (bytes) of a frame that is all of `data`."""
    reader = Reader(data)
    header = Header(reader, checksums)
    dtype = header.dtype.component
    segments = read_segments(reader, header, checksums)
    tensor = np.zeros(() if header.is_empty else Axes(header).memory, UNSIGNED[dtype.width])
    if header.is_empty:
        tensor = tensor[..., None][:0]
    for segment in segments:
        tensor[segment.box.slices()] = segment.box.unpack(decode_segment(segment.body, dtype, segment.box))
    samples = tensor.tobytes()
    read_trailer(reader, [segment.stored for segment in segments], samples, checksums)
    return header, samples


def read_trailer(reader, stored, samples, checksums):
    """[2] Index and trailer."""
    start = reader.position
    check([reader.varint() for _ in stored] == stored, 'the index does not fit the segments')
    index_size = reader.position - start
    digest = reader.take(16)
    check(reader.u32() == index_size, 'the size of the index is wrong')
    end = reader.position
    checksums.check32(reader.data[start:end], reader.u32(), 'trailer')
    checksums.check128(samples, digest, 'tensor')
    check(reader.at_end(), 'bytes after the frame')


# ---- [3] Geometry ---------------------------------------------------------------------------------------------------

class Axes:
    """N, C, H, W and U of a tensor that is not empty, and how its segments are packed."""

    def __init__(self, header):
        shape, layout = (1, 1, 1) + header.shape, header.layout
        axes = 2 if layout == TOKENS else 3
        self.n = product(shape[:-axes])
        self.u = 1
        if layout == NCHW:
            self.c, self.h, self.w = shape[-3:]
        elif layout == NHWC:
            self.h, self.w, self.c = shape[-3:]
            self.u = self.c
        elif layout == TOKENS:
            self.h, self.c = shape[-2:]
            self.w, self.u = 1, self.c
        elif layout == HEADS:
            heads, self.h, self.u = shape[-3:]
            self.c, self.w = heads * self.u, 1
        self.components = header.dtype.components
        if layout == FLAT or self.w > 65536 or self.w * self.u * self.components > 1 << 24:
            layout = FLAT
            self.n, self.c, self.h, self.w, self.u = product(shape), 1, 1, 1, 1
        self.c *= self.components
        self.u *= self.components
        self.in_token_order = layout in (TOKENS, HEADS)

    @property
    def memory(self):
        return self.n, self.c // self.u, self.h, self.w, self.u


def product(extents):
    result = 1
    for extent in extents:
        result *= extent
    return result


class Box:
    """What a segment holds: ranges of items, planes and rows."""

    def __init__(self, axes, items, planes, rows):
        self.axes, self.items, self.planes, self.rows = axes, items, planes, rows

    @property
    def samples(self):
        return len(self.items) * len(self.planes) * len(self.rows) * self.axes.w

    def slices(self):
        u = self.axes.u
        return tuple(slice(a, b) for a, b in ((self.items.start, self.items.stop),
                                              (self.planes.start // u, self.planes.stop // u),
                                              (self.rows.start, self.rows.stop)))

    def unpack(self, packed):
        """Packed samples in the order of the tensor's memory."""
        n, u, h, w = len(self.items), self.axes.u, len(self.rows), self.axes.w
        units = len(self.planes) // u
        if self.axes.in_token_order:
            return packed.reshape(n, h, w, units, u).transpose(0, 3, 1, 2, 4)
        return packed.reshape(n, units, u, h, w).transpose(0, 1, 3, 4, 2)

    def cut(self, rows, columns):
        """As many planes of fewer rows and columns."""
        axes = copy.copy(self.axes)
        axes.w = columns
        return Box(axes, self.items, self.planes, range(rows))

    # [5] The planes that the plane model sees.

    @property
    def model_planes(self):
        """Of an item."""
        return len(self.planes) // self.axes.u if self.axes.in_token_order else len(self.planes)

    @property
    def width(self):
        return self.axes.u if self.axes.in_token_order else self.axes.w

    @property
    def plane_count(self):
        return len(self.items) * self.model_planes

    def pack(self, planes):
        """Packed samples of planes of the model."""
        if not self.axes.in_token_order:
            return planes.reshape(-1)
        n, h = len(self.items), len(self.rows)
        return planes.reshape(n, -1, h, self.axes.u).transpose(0, 2, 1, 3).reshape(-1)


def segment_boxes(header):
    axes = Axes(header)
    extents = axes.n, axes.c, axes.h
    for step, extent in zip(header.steps, extents):
        check(1 <= step <= extent, 'a step does not fit the shape')
    item_step, plane_step, row_step = header.steps
    check(plane_step % axes.u == 0, 'planes are cut within a unit')
    check(item_step == 1 or plane_step == axes.c, 'items in a segment need all of their planes')
    check(item_step * plane_step * row_step * axes.w <= 1 << 24, 'a segment is too large')
    items, planes, rows = ([range(i, min(i + step, extent)) for i in range(0, extent, step)]
                           for step, extent in zip(header.steps, extents))
    return [Box(axes, i, c, r) for i in items for c in planes for r in rows]


# ---- [4] Segments ---------------------------------------------------------------------------------------------------

STORED, ZSTD, MODEL, RECODED, WORDS, REPEATS = range(6)


def decode_segment(body, dtype, box, methods=(STORED, ZSTD, MODEL, RECODED, WORDS, REPEATS)):
    """The packed samples as an array of bit patterns."""
    size = box.samples * dtype.bytes
    reader = Reader(body)
    method = reader.byte()
    check(method in methods, f'method {method} here')
    if method == STORED:
        packed = reader.take(size)
        check(reader.at_end(), 'bytes after the samples')
    elif method == ZSTD:
        packed = decode_zstd(reader, dtype, size)
    elif method == MODEL:
        return decode_model_segment(reader, dtype, box)
    elif method == RECODED:
        return decode_recoded(reader, dtype, box)
    elif method == REPEATS:
        return decode_repeats(reader, dtype, box)
    else:
        return decode_words(reader, dtype, box)
    return np.frombuffer(packed, UNSIGNED[dtype.width])


def decode_zstd(reader, dtype, size):
    stride = reader.byte()
    check(1 <= stride <= dtype.bytes and size % stride == 0, f'stride {stride}')
    data = unzstd(reader.data[reader.position:], size)
    return np.frombuffer(data, np.uint8).reshape(stride, -1).T.tobytes()


def rest_of(reader):
    return reader.take(len(reader.data) - reader.position)


def is_recoding(dtype, target):
    integers, floats = (U8, I8, U16, I16, I32), (F16, BF16, F32)
    if dtype in (BOOL, F8E4M3, F8E5M2):
        return target is (U8 if dtype is BOOL else I8)
    if dtype in (U16, I16, I32, U64, I64):
        return target in integers and target.width < dtype.width
    if dtype is U32:
        return target in integers
    return dtype.is_float and target in integers + floats and target.width < dtype.width


def decode_recoded(reader, dtype, box):
    target = DTYPES.get(reader.byte())
    check(is_recoding(dtype, target), 'a recoding that is none')
    samples = decode_segment(rest_of(reader), target, box, (STORED, ZSTD, MODEL))
    return np.array([recoded_sample(int(s), dtype, target) for s in samples], UNSIGNED[dtype.width])


def recoded_sample(sample, dtype, target):
    """The sample of `dtype` that a sample of `target` stands for."""
    if target.is_float:
        return widen_float(sample, dtype, target)
    if dtype in (F8E4M3, F8E5M2):
        return sample ^ 0x7f if sample & 0x80 else sample
    value = sample - (1 << target.width if sample > target.high else 0)
    if dtype.is_float:
        return float_of_integer(value, dtype)
    return value & (1 << dtype.width) - 1


def exponent_bits(dtype):
    return dtype.width - 1 - dtype.mantissa


def widen_float(sample, dtype, target):
    sign, rest = sample >> (target.width - 1), sample & (1 << (target.width - 1)) - 1
    exponent, mantissa = rest >> target.mantissa, rest & (1 << target.mantissa) - 1
    special, wide_special = (1 << exponent_bits(target)) - 1, (1 << exponent_bits(dtype)) - 1
    rebias = (wide_special >> 1) - (special >> 1)
    if exponent == special:
        exponent = wide_special
    elif exponent:
        exponent += rebias
    elif mantissa and rebias:  # a subnormal number that the wider format has as a normal one
        missing = target.mantissa + 1 - bitwidth(mantissa)
        mantissa = mantissa << missing & (1 << target.mantissa) - 1
        exponent = rebias + 1 - missing
    return sign << (dtype.width - 1) | exponent << dtype.mantissa | mantissa << (dtype.mantissa - target.mantissa)


def float_of_integer(value, dtype):
    if value == 0:
        return 0
    log2 = bitwidth(abs(value)) - 1
    exponent = ((1 << exponent_bits(dtype)) - 1 >> 1) + log2
    mantissa = abs(value) << (dtype.mantissa - log2) & (1 << dtype.mantissa) - 1
    return (value < 0) << (dtype.width - 1) | exponent << dtype.mantissa | mantissa


def decode_words(reader, dtype, box):
    check(dtype.width == 64, 'words of samples that are not wide')
    form = reader.byte()
    check(form in (0, 1), f'form {form} of words')
    methods = (STORED, ZSTD, MODEL, RECODED)
    high = decode_segment(reader.take(reader.varint()), I32, box, methods).astype(np.uint64)
    low = decode_segment(rest_of(reader), U32, box, methods).astype(np.uint64)
    ordered = high << np.uint64(32) | low
    if form == 1:
        ordered = np.cumsum(ordered, dtype=np.uint64)
    return invert_negative(ordered, dtype)


def read_times(reader, extent):
    """How often each of the rows (or columns) that are left occurs."""
    runs = reader.varint()
    check(runs <= 8, f'{runs} runs of repeats')
    times = []
    for _ in range(runs):
        kept, repeated = reader.varint(), reader.varint()
        check(kept > 0 and repeated > 0 and sum(times) + kept + repeated <= extent, 'a run of repeats that is none')
        times += [1] * (kept - 1) + [1 + repeated]
    return times + [1] * (extent - sum(times))


def read_repeats(reader, box):
    """How often rows and columns occur, and the box of those that are left."""
    check(not box.axes.in_token_order, 'repeats of tokens')
    rows, columns = read_times(reader, len(box.rows)), read_times(reader, box.axes.w)
    check(len(rows) < len(box.rows) or len(columns) < box.axes.w, 'no repeats')
    return rows, columns, box.cut(len(rows), len(columns))


def decode_repeats(reader, dtype, box):
    rows, columns, left = read_repeats(reader, box)
    samples = decode_segment(rest_of(reader), dtype, left, (STORED, ZSTD, MODEL, RECODED, WORDS))
    planes = samples.reshape(-1, len(rows), len(columns))
    return planes.repeat(rows, axis=1).repeat(columns, axis=2).reshape(-1)


# ---- [5] Model segments ---------------------------------------------------------------------------------------------

NORMAL, DIFFERENCE, CONSTANT, DUPLICATE, UPSAMPLED_2, UPSAMPLED_4, UPSAMPLED_8 = range(7)
SETS = (NORMAL, DIFFERENCE, UPSAMPLED_2, UPSAMPLED_4, UPSAMPLED_8)  # in the order of coding


def scale_of(kind):
    return {UPSAMPLED_2: 2, UPSAMPLED_4: 4, UPSAMPLED_8: 8}.get(kind, 1)


class Plane:
    """A plane's kind, with `source` or `value`."""

    def __init__(self, kind):
        self.kind = kind
        self.source = self.value = None


class SideContent:
    """What the side information holds: the planes, and the models of the plane sets that are not empty."""

    def __init__(self, side, dtype, box, model_of_set):
        self.planes = read_planes(side, dtype, box.plane_count)
        self.models = []
        for kind in SETS:
            numbers = [i for i, plane in enumerate(self.planes) if plane.kind == kind]
            if numbers:
                scale = scale_of(kind)
                set_dtype = {8: I8, 16: I16, 32: I32}[dtype.width] if kind == DIFFERENCE else dtype
                self.models.append(model_of_set(side, set_dtype, numbers, box.model_planes,
                                                -(-len(box.rows) // scale), -(-box.width // scale)))


WAVES, ROWS, LANES = 1, 2, 3


def read_side_content(reader, dtype, box):
    layout = reader.byte()
    if layout not in (WAVES, LANES):
        raise Unsupported(f'a segment of layout {layout}')
    check(layout == WAVES or not box.axes.in_token_order and dtype is not I32, 'lanes of such samples')
    content = SideContent(SideInformation(reader.take(reader.varint())), dtype, box,
                          Model if layout == WAVES else LaneModel)
    check(layout == WAVES or all(plane.kind != DIFFERENCE for plane in content.planes), 'lanes of differences')
    return content


def decode_model_segment(reader, dtype, box):
    check(dtype in MODELLED, f'a model of {dtype.name}')
    if reader.data[reader.position:reader.position + 1] == bytes([ROWS]):
        reader.byte()
        check(box.axes.in_token_order, 'rows without tokens')
        samples = decode_rows(reader, dtype, len(box.items), len(box.rows), len(box.planes))
        return np.array(samples, UNSIGNED[dtype.width])
    check(len(box.rows) * box.width >= 16 and box.width <= 65536, 'planes that are not modelled')
    content = read_side_content(reader, dtype, box)
    coded = {}
    for model in content.models:
        coded.update(zip(model.numbers, model.decode_from(reader)))
    check(reader.at_end(), 'bytes after the last plane set')
    return box.pack(complete_planes(content.planes, coded, dtype, len(box.rows), box.width))


def read_planes(side, dtype, count):
    """The plane kinds."""
    kind_bits = [adaptive_bits(6) for _ in range(7)]
    same = AdaptiveBit()
    planes, previous_kind, previous_value = [], NORMAL, 0
    for p in range(count):
        plane = Plane(side.ones(kind_bits[previous_kind]))
        if plane.kind == CONSTANT:
            plane.value = previous_value if side.bit(same) else side.direct(dtype.width)
            previous_value = plane.value
        elif plane.kind in (DIFFERENCE, DUPLICATE):
            check(p > 0, 'the first plane has a source')
            plane.source = side.uniform(p)
        previous_kind = plane.kind
        planes.append(plane)
    return planes


def complete_planes(planes, coded, dtype, height, width):
    samples = np.zeros((len(planes), height, width), UNSIGNED[dtype.width])
    for p, plane in enumerate(planes):
        if plane.kind == CONSTANT:
            samples[p] = plane.value
        elif plane.kind == DUPLICATE:
            samples[p] = samples[plane.source]
        elif plane.kind == DIFFERENCE:
            samples[p] = invert_negative(invert_negative(samples[plane.source], dtype) + coded[p], dtype)
        else:
            scale = scale_of(plane.kind)
            samples[p] = coded[p].repeat(scale, 0).repeat(scale, 1)[:height, :width]
    return samples


def invert_negative(patterns, dtype):
    """Bit patterns to ordered integers, and back."""
    if not dtype.is_float:
        return patterns
    sign = patterns.dtype.type(1 << (dtype.width - 1))
    return np.where(patterns & sign, patterns ^ (sign - patterns.dtype.type(1)), patterns)


# ---- [6] Side information -------------------------------------------------------------------------------------------

class AdaptiveBit:
    def __init__(self):
        self.fast = self.slow = 32768

    def probability(self):
        return clamp((self.fast + self.slow) >> 1, 64, 65472)

    def update(self, bit):
        if bit:
            self.fast -= self.fast >> 4
            self.slow -= self.slow >> 7
        else:
            self.fast += (65535 - self.fast) >> 4
            self.slow += (65535 - self.slow) >> 7


def adaptive_bits(count):
    return [AdaptiveBit() for _ in range(count)]


class NumberModel:
    def __init__(self):
        self.more, self.mantissa = adaptive_bits(32), adaptive_bits(33)


class SignedModel:
    def __init__(self):
        self.magnitude, self.sign = NumberModel(), AdaptiveBit()


class SideInformation:
    """The binary range coder."""

    def __init__(self, data):
        self.data, self.position = data, 0
        self.range = (1 << 32) - 1
        self.code = 0
        for _ in range(4):
            self.code = self.code << 8 | self.next_byte()

    def next_byte(self):
        self.position += 1
        if self.position <= len(self.data):
            return self.data[self.position - 1]
        check(self.position <= len(self.data) + 8, 'the side information ends too early')
        return 0

    def normalize(self):
        while self.range < 1 << 24:
            self.code = (self.code << 8 | self.next_byte()) & 0xffffffff
            self.range <<= 8

    def bit(self, model):
        bound = (self.range >> 16) * model.probability()
        bit = int(self.code >= bound)
        if bit:
            self.code -= bound
            self.range -= bound
        else:
            self.range = bound
        model.update(bit)
        self.normalize()
        return bit

    def ones(self, models):
        """The number of 1-bits under the models until a 0 or the last model."""
        for count, model in enumerate(models):
            if not self.bit(model):
                return count
        return len(models)

    def part(self, size, count):
        v = self.code // size
        check(v < count, 'a code of no value')
        self.code -= v * size
        self.range = size
        self.normalize()
        return v

    def direct(self, n):
        value = 0
        while n > 0:
            bits = min(n, 8)
            n -= bits
            value = value << bits | self.part(self.range >> bits, 1 << bits)
        return value

    def uniform(self, count):
        if count <= 1:
            return 0
        if count <= 1 << 16:
            return self.part(self.range // count, count)
        value = self.direct(bitwidth(count - 1))
        check(value < count, 'a uniform value is too large')
        return value

    def number(self, model):
        n = self.ones(model.more)
        if n == 0:
            return 0
        t = self.bit(model.mantissa[n])
        return (1 << n | t << (n - 1) | self.direct(n - 1)) - 1

    def signed(self, model):
        a = self.number(model.magnitude)
        check(a < 1 << 31, 'a signed number is too large')
        return -a if a and self.bit(model.sign) else a

    def byte(self, model):
        node = 1
        while node < 8:
            node = 2 * node + self.bit(model[node])
        n = node - 8
        return 0 if n == 0 else self.direct(8) if n == 7 else 1 << (n - 1) | self.direct(n - 1)

    def flag(self):
        return self.bit(AdaptiveBit())

    def weight(self, model, most=2047):
        """[8] A coded weight."""
        w = self.signed(model)
        check(abs(w) <= most, 'a weight is too large')
        return w

    def ranged(self, low, high):
        """[2 of format-lanes.md]"""
        distance = self.direct(bitwidth(high - low))
        check(distance <= high - low, 'a number is out of its range')
        return low + distance


# ---- [7] Samples ----------------------------------------------------------------------------------------------------

class IntegerCodes:
    """Codes of integer kinds."""

    def __init__(self, dtype):
        self.low, self.high, self.mask = dtype.low, dtype.high, (1 << dtype.width) - 1

    def code(self, sample):
        return (sample - self.low & self.mask) + self.low

    def sample(self, code):
        return code & self.mask


class FloatCodes:
    """Codes of float kinds; None: an escape."""

    def __init__(self, dtype, base):
        self.m, self.base, self.bias = dtype.mantissa, base, dtype.bias
        self.sign = 1 << (dtype.width - 1)
        self.end = min(base + 126, 143 if dtype is F16 else 255)
        self.high = (self.end - base) << self.m
        self.low = -self.high

    def code(self, sample):
        if sample == 0:
            return 0
        a = (sample & ~self.sign) + (self.bias << self.m)
        if not self.base <= a >> self.m < self.end:
            return None
        code = a - (self.base << self.m) + 1
        return -code if sample & self.sign else code

    def sample(self, code):
        if code == 0:
            return 0
        a = abs(code) - 1 + ((self.base - self.bias) << self.m)
        return a | self.sign if code < 0 else a


# ---- [8] Plane set model --------------------------------------------------------------------------------------------

TAPS = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (-2, 0), (0, -2))  # W N NW NE NN WW
CLASS_TAPS = ((0, 1, 2, 3, 4, 5), (0, 5), (1, 3, 4), ())        # [9] by class: the numbers of its taps
NEIGHBOURS = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
UNIT, INNOVATION, SPATIAL, TAP, NEIGHBOUR = range(5)
KIND_BY_ONES = (INNOVATION, TAP, NEIGHBOUR, SPATIAL, UNIT)


class Term:
    def __init__(self, kind, plane, index, weight):
        self.kind, self.plane, self.index, self.weight = kind, plane, index, weight


class ClassWeights:
    """Weights of a class; `taps` has all six, 0 where the class has none."""

    def __init__(self):
        self.taps = [0] * 6
        self.unit = self.mean = self.spread = self.running = self.recent = self.reference = self.local = 0


class Model:
    """The model of a plane set, read from the side information.

    numbers: the numbers of its planes in the segment; channels: planes of an item there.
    """

    def __init__(self, side, dtype, numbers, channels, height, width):
        self.dtype, self.numbers, self.channels = dtype, numbers, channels
        self.height, self.width = height, width
        self.planes = len(numbers)
        self.read_head(side)
        self.read_means(side)
        self.spatial = self.read_spatial_weights(side)
        self.read_terms(side)
        self.sigma = self.read_sigma_weights(side)
        self.position_thresholds = read_thresholds(side, 24)
        self.activity_thresholds = read_thresholds(side, 12)
        self.read_cells(side)
        self.frequencies = read_tables(side, self.clusters, self.table_bits)
        self.tokens = len(self.frequencies[0])

    def read_head(self, side):
        """[8.1]"""
        dtype = self.dtype
        self.skew = 1 + side.uniform(4)
        self.lanes = 1 << side.uniform(7)
        self.table_bits = 10 if dtype.is_narrow else 10 + side.uniform(3)
        if dtype.is_float:
            base = side.uniform(255)
            check(base >= dtype.least_base, 'base exponent')
            self.codes = FloatCodes(dtype, base)
        else:
            self.codes = IntegerCodes(dtype)
        bits = bitwidth(self.codes.high - self.codes.low)
        self.low_code = self.codes.low + side.direct(bits)
        self.high_code = self.codes.low + side.direct(bits)
        check(self.low_code <= self.high_code <= self.codes.high, 'range of codes')
        specials = []
        if side.flag():
            self.mode = side.direct(dtype.width)
            specials.append('mode')
        self.shift = self.unit_exponent = 0
        if not dtype.is_narrow:
            specials += [name for name in ('west', 'north', 'reference') if side.flag()]
            if dtype.is_float and side.flag():
                specials.append('escape')
            self.shift = side.uniform(32)
            self.unit_exponent = side.uniform(256) - 100
            check(self.unit_exponent <= 100, 'unit exponent')
        self.specials = specials

    def read_means(self, side):
        """[8.2]"""
        s = SignedModel()
        self.mean_prior = side.signed(s)
        self.error_prior = side.signed(s)
        check(abs(self.mean_prior) <= 1 << 22 and 0 <= self.error_prior <= 1 << 22, 'priors')
        self.sent_means = None
        if side.flag():
            t, mean, self.sent_means = SignedModel(), 0, []
            for _ in range(self.planes):
                difference = side.signed(t)
                mean += difference
                check(abs(difference) <= 1 << 23 and abs(mean) <= 1 << 22, 'mean')
                self.sent_means.append(mean)

    def read_spatial_weights(self, side):
        """[8.3]"""
        a, b = SignedModel(), SignedModel()
        classes = []
        for taps in CLASS_TAPS:
            weights = ClassWeights()
            for i in taps:
                weights.taps[i] = side.weight(a)
            weights.unit = side.weight(b)
            weights.mean = 256 + side.weight(b)
            check(weights.mean <= 2047, 'weight of the mean')
            classes.append(weights)
        return classes

    def read_terms(self, side):
        """[8.4]"""
        self.terms = [[] for _ in range(self.planes)]
        self.references = [[] for _ in range(self.planes)]
        self.any_terms = side.flag()
        if not self.any_terms:
            return
        models = TermModels()
        for p in range(self.planes):
            count = side.number(models.count)
            check(count <= min(32, self.height * self.width // 4), 'terms of a plane')
            for _ in range(count):
                kind = KIND_BY_ONES[side.ones(models.kind)]
                plane = index = 0
                if kind in (INNOVATION, NEIGHBOUR):
                    plane = self.read_named_plane(side, models, kind, p)
                if kind == TAP:
                    index = side.uniform(6)
                elif kind == NEIGHBOUR:
                    check(self.skew * (p - plane) >= 4, 'a neighbour that is not decoded yet')
                    index = side.uniform(8)
                self.terms[p].append(Term(kind, plane, index, side.weight(models.weight[kind])))

    def read_named_plane(self, side, models, kind, p):
        known = self.references[p]
        if known and side.bit(models.known[kind == NEIGHBOUR]):
            return known[side.uniform(len(known))]
        check(p > 0 and len(known) < 16, 'a plane cannot be named')
        item_before = self.numbers[p] - self.channels
        if item_before in self.numbers and side.bit(models.same):
            plane = self.numbers.index(item_before)
        else:
            plane = side.uniform(p)
        if plane not in known:
            known.append(plane)
        return plane

    def read_sigma_weights(self, side):
        """[8.5]"""
        g = SignedModel()
        classes = []
        for taps in CLASS_TAPS:
            weights = ClassWeights()
            for i in taps:
                weights.taps[i] = side.weight(g)
            if taps:
                weights.spread = side.weight(g)
            weights.running = side.weight(g)
            weights.unit = side.weight(g)
            weights.recent = side.weight(g)
            if self.any_terms:
                weights.reference = side.weight(g)
                weights.local = side.weight(g)
            classes.append(weights)
        return classes

    def read_cells(self, side):
        """[8.7]"""
        rows, columns = len(self.position_thresholds) + 1, len(self.activity_thresholds) + 1
        self.clusters, cluster = read_clusters(side, rows, columns)
        fixed = read_fixed(side, rows, columns)
        spread = self.high_code - self.low_code
        drop = max(0, bitwidth(spread) - 12)
        d, previous, centers = SignedModel(), 0, np.zeros(rows, np.int64)
        for i in range(rows):
            if fixed[i].any():
                previous = clamp(previous + side.signed(d), 0, spread >> drop)
                centers[i] = self.low_code + (previous << drop)
        self.cell_cluster, self.cell_fixed, self.centers = cluster, fixed, centers

    def decode_from(self, reader):
        """The planes of the set, from its streams."""
        entropy_size = reader.varint()
        raw_size = 0 if self.dtype.is_narrow else reader.varint()
        entropy = reader.take(entropy_size)
        return decode_set(self, entropy, reader.take(raw_size))


def read_clusters(side, rows, columns):
    """[8.7] How many there are, and that of each cell."""
    clusters = 1 + side.uniform(64)
    left, up = AdaptiveBit(), AdaptiveBit()
    cluster = np.zeros((rows, columns), int)
    if clusters > 1:
        for i, j in np.ndindex(rows, columns):
            if j > 0 and side.bit(left):
                cluster[i, j] = cluster[i, j - 1]
            elif i > 0 and side.bit(up):
                cluster[i, j] = cluster[i - 1, j]
            else:
                cluster[i, j] = side.uniform(clusters)
    return clusters, cluster


def read_fixed(side, rows, columns):
    """[8.7] Whether the cells have fixed centers."""
    f = adaptive_bits(4)
    fixed = np.zeros((rows, columns), int)
    for i, j in np.ndindex(rows, columns):
        l = fixed[i, j - 1] if j > 0 else 0
        u = fixed[i - 1, j] if i > 0 else 0
        fixed[i, j] = side.bit(f[l + 2 * u])
    return fixed


def read_tables(side, clusters, table_bits):
    """[8.8] frequencies[cluster][token]"""
    tokens = side.uniform(257)
    check(tokens >= 1, 'no tokens')
    size_bits = [[adaptive_bits(14) for _ in range(2)] for _ in range(13)]
    frequencies, before = [], None
    for _ in range(clusters):
        sizes, weights = [], []
        for t in range(tokens):
            z1 = sizes[t - 1] if t >= 1 else 0
            z2 = sizes[t - 2] if t >= 2 else 0
            q = (z2 + z1 + 1) // 2 if before is None else (z2 + z1 + 2 * before[t] + 2) // 4
            q = min(q, 12)
            quiet = int(z1 == 0 and z2 == 0)
            sizes.append(read_size(side, q, size_bits[q][quiet]))
            weights.append(read_weight(side, sizes[-1]))
        frequencies.append(frequencies_of(weights, table_bits))
        before = sizes
    return frequencies


class TermModels:
    def __init__(self):
        self.count, self.kind, self.known, self.same = NumberModel(), adaptive_bits(4), adaptive_bits(2), AdaptiveBit()
        self.weight = [SignedModel() for _ in range(5)]


def read_thresholds(side, bound):
    """[8.6]"""
    count = side.uniform(bound)
    if count == 0:
        return []
    shift = side.uniform(32)
    f, n = SignedModel(), NumberModel()
    thresholds = [side.signed(f) << shift]
    for _ in range(count - 1):
        thresholds.append(thresholds[-1] + (side.number(n) << shift))
    check(-1 << 31 <= thresholds[0] and thresholds[-1] < 1 << 31, 'threshold')
    return thresholds


def read_size(side, q, m):
    """[8.8] The size of a weight."""
    if side.bit(m[0]):
        return q
    up = side.bit(m[1]) if q > 0 else 1
    last, step, first_bit = (13, 1, 2) if up else (0, -1, 8)
    z = q + step
    for i in range(13):
        if z == last or side.bit(m[first_bit + min(i, 5)]):
            break
        z += step
    return z


def read_weight(side, z):
    if z < 2:
        return z
    return 2 + side.direct(1) if z == 2 else (4 + side.direct(2)) << (z - 3)


def frequencies_of(weights, table_bits):
    total, size = sum(weights), 1 << table_bits
    used = sum(w > 0 for w in weights)
    check(1 <= used <= size, 'a table of frequencies')
    frequencies = [max(1, (w << table_bits) // total) if w else 0 for w in weights]
    excess = sum(frequencies) - size
    if excess < 0:
        frequencies[frequencies.index(max(frequencies))] -= excess
    for _ in range(excess):
        frequencies[frequencies.index(max(frequencies))] -= 1
    return frequencies


# ---- [9] Prediction: arithmetic -------------------------------------------------------------------------------------

class Narrow:
    """Arithmetic of narrow sets: integers, sixteenths of a step."""

    number = np.int64

    def __init__(self, model):
        self.low_code, self.high_code = model.low_code, model.high_code
        self.low, self.high = 16 * model.low_code, 16 * model.high_code
        self.unit, self.sigma_unit = 32, 8

    def weight(self, w, fraction):
        return np.array(w, np.int64)

    def limit(self, v):
        return np.clip(v, -16383, 16383)

    def cut(self, v):
        return np.clip(v, self.low, self.high)

    def value(self, code):
        return 16 * code

    def quanta(self, v):
        return v

    def from_quanta(self, n):
        return self.limit(n)

    def mean(self, s, n):
        some = np.maximum(n, 1)
        return np.where(n > 0, (s * ((256 + some // 2) // some)) >> 8, 0)

    def mean9(self, s):
        return (s * 57) >> 9

    def recent_start(self, prior):
        return 4 * prior

    def recent(self, moving):
        return moving >> 2

    def recent_next(self, moving, error):
        return moving - (moving >> 2) + error

    def spatial(self, total):
        return self.limit((total + 128) >> 8)

    def terms_start(self, s):
        return np.zeros_like(s)

    def prediction(self, s, total):
        return self.limit(s + ((total + 64) >> 7))

    def sigma(self, total):
        return np.clip((total + 32) >> 6, 0, 16383)

    def position(self, p):
        return p

    def activity(self, p, sigma):
        return sigma

    def center(self, p):
        return np.clip((p + 8) >> 4, self.low_code, self.high_code)


class Wide:
    """Arithmetic of wide sets: binary32."""

    number = np.float32

    def __init__(self, model):
        self.m = model.dtype.mantissa
        self.kind_low, self.kind_high = model.codes.low, model.codes.high
        self.low_code, self.high_code = model.low_code, model.high_code
        self.low, self.high = self.value(np.array([model.low_code, model.high_code]))
        self.unit = np.float32(2.0 ** model.unit_exponent)
        self.sigma_unit = self.unit / np.float32(4)
        largest = max(abs(float(self.low)), abs(float(self.high)))
        exponent = int(np.frexp(largest)[1]) - 1 if largest else 0
        self.quantum = 2.0 ** (exponent - 19)

    def weight(self, w, fraction):
        return np.array(w, np.float32) * np.float32(2.0 ** -fraction)

    def cut(self, v):
        return np.clip(v, self.low, self.high)

    def value(self, code):
        """[7]"""
        if self.m is None:
            return code.astype(np.float32)
        magnitude = ((np.abs(code) - 1 + (64 << self.m)) << (23 - self.m)).astype(np.uint32).view(np.float32)
        return np.where(code == 0, np.float32(0), np.where(code < 0, -magnitude, magnitude))

    def nearest(self, v):
        """[7]"""
        if self.m is None:
            return round_and_cut(v, self.kind_low, self.kind_high)
        m = self.m
        s = np.abs(v).view(np.uint32).astype(np.int64)
        h = 1 << (22 - m) if m < 23 else 0
        code = np.minimum(((s + h) >> (23 - m)) - (64 << m) + 1, 126 << m)
        code = np.where(s < 64 << 23, np.where(s >= 63 << 23, 1, 0), code)
        return np.where(np.signbit(v), -code, code)

    def quanta(self, v):
        return round_and_cut(v.astype(np.float64) / self.quantum, -(1 << 21) + 1, (1 << 21) - 1)

    def from_quanta(self, n):
        return n.astype(np.float32) * np.float32(self.quantum)

    def mean(self, s, n):
        some = np.maximum(n, 1)
        return np.where(n > 0, s * (np.float32(1) / some.astype(np.float32)), np.float32(0))

    def mean9(self, s):
        return s * np.float32(1 / 9)

    def recent_start(self, prior):
        return prior

    def recent(self, moving):
        return moving

    def recent_next(self, moving, error):
        return moving + (error - moving) * np.float32(0.25)

    def spatial(self, total):
        return total

    def terms_start(self, s):
        return s

    def prediction(self, s, total):
        return total

    def sigma(self, total):
        return np.where(total > 0, total, np.float32(0))

    def position(self, p):
        if self.m is None:
            return round_and_cut(np.float32(4) * p, -(1 << 30) + 1, (1 << 30) - 1)
        return self.nearest(p)

    def activity(self, p, sigma):
        if self.m is None:
            return round_and_cut(np.float32(16) * sigma, 0, (1 << 30) - 1)
        c = self.cut(p)
        g = sigma * np.float32(0.1875)
        return (self.nearest(np.minimum(c + sigma, self.high + g))
                - self.nearest(np.maximum(c - sigma, self.low - g))) >> 1

    def center(self, p):
        return np.clip(self.nearest(p), self.low_code, self.high_code)


def round_and_cut(v, low, high):
    """To nearest, ties to even; binary64 holds all numbers that occur."""
    return np.clip(np.rint(v.astype(np.float64)), low, high).astype(np.int64)


# ---- [9] Prediction: waves ------------------------------------------------------------------------------------------

class Wave:
    """Samples of one time, in the order of decoding: plane, y, x, index of the sample in its set."""

    def __init__(self, p, y, x, model):
        self.p, self.y, self.x = p, y, x
        self.index = (p * model.height + y) * model.width + x
        self.sample_class = np.where(y > 0, np.where(x > 0, 0, 2), np.where(x > 0, 1, 3))


def waves_of(model):
    p, y, x = (a.ravel() for a in np.indices((model.planes, model.height, model.width)))
    time = x + 2 * y + model.skew * p
    order = np.lexsort((y, p, time))
    bounds = np.flatnonzero(np.diff(time[order])) + 1
    return [Wave(p[part], y[part], x[part], model) for part in np.split(order, bounds)]


def padded(lists, width, fill):
    return np.array([list(row) + [fill] * (width - len(row)) for row in lists], np.int64).reshape(len(lists), width)


class Predictor:
    """What the decoded samples say about those of the next wave."""

    def __init__(self, model):
        self.model = model
        self.arithmetic = (Narrow if model.dtype.is_narrow else Wide)(model)
        shape = (model.planes, model.height, model.width)
        self.values = np.zeros(shape, self.arithmetic.number)
        self.errors = np.zeros(shape, self.arithmetic.number)
        self.innovations = np.zeros(shape, self.arithmetic.number)
        self.value_sums = np.zeros(model.planes, np.int64)
        self.error_sums = np.zeros(model.planes, np.int64)
        self.counts = np.zeros(model.planes, np.int64)
        self.class_has_tap = np.array([[i in taps for i in range(6)] for taps in CLASS_TAPS])
        self.prepare_weights()
        self.prepare_terms()
        self.prepare_means()
        prior = self.arithmetic.from_quanta(np.array([model.error_prior]))
        self.moving = np.full(shape[1:], self.arithmetic.recent_start(prior))

    def prepare_weights(self):
        """Weights as arrays over the classes."""
        weight = self.arithmetic.weight
        self.spatial = {name: weight([getattr(c, name) for c in self.model.spatial], 8)
                        for name in ('taps', 'unit', 'mean')}
        self.sigma = {name: weight([getattr(c, name) for c in self.model.sigma], 6)
                      for name in ('taps', 'unit', 'spread', 'running', 'recent', 'reference', 'local')}

    def prepare_terms(self):
        """Terms and references as arrays over planes and their number; kind -1 and weight 0 where there is none."""
        terms = self.model.terms
        most = max(len(t) for t in terms)
        self.term_kind = padded([[t.kind for t in row] for row in terms], most, -1)
        self.term_plane = padded([[t.plane for t in row] for row in terms], most, 0)
        self.term_index = padded([[t.index for t in row] for row in terms], most, 0)
        self.term_weight = self.arithmetic.weight(padded([[t.weight for t in row] for row in terms], most, 0), 7)
        references = self.model.references
        self.reference_count = np.array([len(r) for r in references])
        self.reference = padded(references, max(len(r) for r in references), -1)

    def prepare_means(self):
        model, arithmetic = self.model, self.arithmetic
        self.prior_count = max(4, model.width // 4)
        self.sent_means = None
        if model.sent_means is not None:
            low, high = (int(arithmetic.quanta(np.array([v]))[0]) for v in (arithmetic.low, arithmetic.high))
            a = max(0, bitwidth(high - low) - 8)
            self.sent_means = np.array([clamp(mean << a, -1 << 22, 1 << 22) for mean in model.sent_means])

    def running(self, sums, prior, p):
        k = self.prior_count
        return self.arithmetic.from_quanta((sums[p] + k * prior) // (self.counts[p] + k))

    def at(self, array, p, y, x):
        """The array's elements there, coordinates cut to the plane."""
        return array[p, np.clip(y, 0, self.model.height - 1), np.clip(x, 0, self.model.width - 1)]

    def predict(self, wave):
        """[9] A sample, steps 1 to 6, for all samples of the wave: sets what `decode` and `update` need."""
        arithmetic = self.arithmetic
        p, y, x, sample_class = wave.p, wave.y, wave.x, wave.sample_class
        if self.sent_means is None:
            mean = self.running(self.value_sums, self.model.mean_prior, p)
        else:
            mean = arithmetic.from_quanta(self.sent_means[p])
        taps = [self.at(self.values, p, y + dy, x + dx) for dy, dx in TAPS]
        has_tap = self.class_has_tap[sample_class].T
        s = self.spatial_prediction(sample_class, mean, taps)
        prediction = self.prediction(wave, s, taps, has_tap)
        sigma = self.sigma_of(wave, s, taps, has_tap)
        row = np.searchsorted(self.model.position_thresholds, arithmetic.position(prediction), side='right')
        column = np.searchsorted(self.model.activity_thresholds, arithmetic.activity(prediction, sigma), side='right')
        wave.cluster = self.model.cell_cluster[row, column]
        wave.center = np.where(self.model.cell_fixed[row, column], self.model.centers[row],
                               arithmetic.center(prediction))
        wave.s, wave.prediction = s, prediction

    def spatial_prediction(self, sample_class, mean, taps):
        """Step 1; adding 0 for the taps that a class lacks changes nothing."""
        weights = self.spatial
        total = weights['unit'][sample_class] * self.arithmetic.unit + weights['mean'][sample_class] * mean
        for i, tap in enumerate(taps):
            total = total + weights['taps'][sample_class, i] * (tap - mean)
        return self.arithmetic.spatial(total)

    def prediction(self, wave, s, taps, has_tap):
        """Step 2."""
        total = self.arithmetic.terms_start(s)
        for j in range(self.term_kind.shape[1]):
            total = total + self.term_weight[wave.p, j] * self.feature(wave, j, s, taps, has_tap)
        return self.arithmetic.prediction(s, total)

    def feature(self, wave, j, s, taps, has_tap):
        """The feature of each sample's term j, 0 where there is no such term."""
        p, y, x = wave.p, wave.y, wave.x
        kind, plane, index = self.term_kind[p, j], self.term_plane[p, j], self.term_index[p, j]
        samples = np.arange(len(p))
        tap = np.where(has_tap[index % 6, samples], np.array(taps)[index % 6, samples] - s, 0)
        dy, dx = np.array(NEIGHBOURS)[index].T
        neighbour = self.at(self.values, plane, y + dy, x + dx) - self.values[plane, y, x]
        features = np.zeros_like(s)
        for this, feature in ((UNIT, np.full_like(s, self.arithmetic.unit)), (SPATIAL, s), (TAP, tap),
                              (INNOVATION, self.innovations[plane, y, x]), (NEIGHBOUR, neighbour)):
            features = np.where(kind == this, feature, features)
        return features

    def sigma_of(self, wave, s, taps, has_tap):
        """Steps 3 and 4."""
        arithmetic, weights, c = self.arithmetic, self.sigma, wave.sample_class
        p, y, x = wave.p, wave.y, wave.x
        distance = np.zeros_like(s)
        for tap, has in zip(taps, has_tap):
            distance = distance + np.where(has, np.abs(tap - s), 0)
        spread = arithmetic.mean(distance, has_tap.sum(0))
        error = self.running(self.error_sums, self.model.error_prior, p)
        total = weights['unit'][c] * arithmetic.sigma_unit
        for i, (dy, dx) in enumerate(TAPS):
            total = total + weights['taps'][c, i] * self.at(self.errors, p, y + dy, x + dx)
        total = total + weights['spread'][c] * spread
        total = total + weights['running'][c] * error
        total = total + weights['recent'][c] * arithmetic.recent(self.moving[y, x])
        total = total + weights['reference'][c] * self.reference_activity(wave, np.zeros_like(s))
        total = total + weights['local'][c] * self.local_activity(wave, np.zeros_like(s))
        return arithmetic.sigma(total)

    def reference_activity(self, wave, total):
        for j in range(self.reference.shape[1]):
            q = self.reference[wave.p, j]
            total = total + np.where(q >= 0, np.abs(self.innovations[q, wave.y, wave.x]), 0)
        return self.arithmetic.mean(total, self.reference_count[wave.p])

    def local_activity(self, wave, total):
        p, y, x = wave.p, wave.y, wave.x
        if self.reference.shape[1] == 0:
            return total
        q = self.reference[p, 0]
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                total = total + np.abs(self.at(self.innovations, q, y + dy, x + dx))
        near = np.abs(self.innovations[q, y, x])
        local = np.where(self.model.skew * (p - q) < 4, near, self.arithmetic.mean9(total))
        return np.where(q >= 0, local, 0).astype(local.dtype)

    def update(self, wave, codes):
        """Step 7: takes the codes of the wave's samples."""
        arithmetic, at = self.arithmetic, (wave.p, wave.y, wave.x)
        v = arithmetic.value(np.array(codes, np.int64))
        error = np.abs(v - arithmetic.cut(wave.prediction))
        self.values[at] = v
        self.innovations[at] = v - arithmetic.cut(wave.s)
        self.errors[at] = error
        self.moving[at[1:]] = arithmetic.recent_next(self.moving[at[1:]], error)
        np.add.at(self.value_sums, wave.p, arithmetic.quanta(v))
        np.add.at(self.error_sums, wave.p, arithmetic.quanta(error))
        np.add.at(self.counts, wave.p, 1)


def decode_set(model, entropy, raw):
    """The planes of a set, as arrays of bit patterns."""
    predictor = Predictor(model)
    decoder = EntropyDecoder(model, entropy, raw)
    with np.errstate(over='raise', invalid='raise', divide='raise'):
        for wave in waves_of(model):
            predictor.predict(wave)
            predictor.update(wave, decoder.decode(wave, predictor.reference))
    decoder.finish()
    return np.array(decoder.samples).astype(UNSIGNED[model.dtype.width]).reshape(
        model.planes, model.height, model.width)


# ---- [10] Entropy coding --------------------------------------------------------------------------------------------

def extra(q):
    return 0 if q < 8 else 1 + (q - 8) // 4


def base(q):
    return q if q < 8 else (4 + (q & 3)) << (1 + (q - 8) // 4)


class RawBits:
    """Raw bits of wide sets: a stream of their own."""

    def __init__(self, data):
        self.reader, self.bits, self.count = Reader(data), 0, 0

    def take(self, n):
        while self.count < n:
            self.bits |= self.reader.byte() << self.count
            self.count += 8
        value = self.bits & ((1 << n) - 1)
        self.bits >>= n
        self.count -= n
        return value

    def finish(self):
        check(self.reader.at_end() and self.bits == 0, 'raw bits are left')


class Lanes:
    """rANS states and words.  `tables`: of each cluster, tokens and their frequencies in the order of their slots."""

    def __init__(self, entropy, lanes, tables, table_bits):
        self.reader = Reader(entropy)
        self.table_bits = table_bits
        self.states = [self.reader.u32() for _ in range(lanes)]
        check(all(1 << 15 <= x < 1 << 31 for x in self.states), 'a state')
        self.slots = []  # of each cluster, of each slot: token, its frequency, its first slot
        for table in tables:
            slots = []
            for token, frequency in table:
                slots += [(token, frequency, len(slots))] * frequency
            self.slots.append(slots)

    def token(self, lane, cluster):
        x = self.states[lane]
        slot = x & ((1 << self.table_bits) - 1)
        token, frequency, start = self.slots[cluster][slot]
        self.states[lane] = frequency * (x >> self.table_bits) + slot - start
        return token

    def narrow_raw(self, lane, n):
        x = self.states[lane]
        self.states[lane] = x >> n
        return x & ((1 << n) - 1)

    def refill(self, lane):
        if self.states[lane] < 1 << 15:
            self.states[lane] = self.states[lane] << 16 | struct.unpack('<H', self.reader.take(2))[0]

    def finish(self):
        check(all(x == 1 << 15 for x in self.states), 'the states do not end as they should')
        check(self.reader.at_end(), 'words are left')


class EntropyDecoder:
    """Tokens and lanes; keeps the decoded samples and their codes, of a set, plane after plane."""

    def __init__(self, model, entropy, raw):
        self.model = model
        self.lanes = Lanes(entropy, model.lanes, map(enumerate, model.frequencies), model.table_bits)
        self.raw = RawBits(raw)
        self.samples = [0] * (model.planes * model.height * model.width)
        self.codes = list(self.samples)  # 0 for escapes
        self.residuals = []  # of the tokens after the special ones: base << shift, raw bits, negative
        for i in range(model.tokens - len(model.specials)):
            q = i // 2
            check(base(q) << model.shift < 1 << 32, 'tokens of too large residuals')
            bits = model.shift + extra(q)
            check(not model.dtype.is_narrow or bits <= 5, 'tokens of too many raw bits')
            self.residuals.append((base(q) << model.shift, bits, i % 2))

    def decode(self, wave, references):
        """The codes of the wave's samples."""
        model = self.model
        codes = []
        for i, (index, p, y, x, cluster, center) in enumerate(zip(*(
                a.tolist() for a in (wave.index, wave.p, wave.y, wave.x, wave.cluster, wave.center)))):
            lane = i % model.lanes
            token = self.lanes.token(lane, cluster)
            if token < len(model.specials):
                reference = int(references[p, 0]) if references.shape[1] else -1
                sample = self.special(model.specials[token], index, y, x, p, reference)
                code = model.codes.code(sample)
                escape = code is None
            else:
                start, bits, negative = self.residuals[token - len(model.specials)]
                a = start + (self.lanes.narrow_raw(lane, bits) if model.dtype.is_narrow else self.raw.take(bits))
                code = center - 1 - a if negative else center + a
                escape = False
            self.lanes.refill(lane)
            check(escape or model.low_code <= code <= model.high_code, 'a code out of range')
            if escape:
                code = 0
            elif token >= len(model.specials):
                sample = model.codes.sample(code)
            self.samples[index], self.codes[index] = sample, code
            codes.append(code)
        return codes

    def special(self, name, index, y, x, p, reference):
        """The sample of a special token."""
        model = self.model
        if name == 'mode':
            return model.mode
        if name == 'escape':
            return self.raw.take(model.dtype.width)
        if name == 'west':
            check(x > 0, 'west in the first column')
            return self.samples[index - 1]
        if name == 'north':
            check(y > 0, 'north in the first row')
            return self.samples[index - model.width]
        check(reference >= 0, 'a plane without references has none')
        return self.samples[index - (p - reference) * model.height * model.width]

    def finish(self):
        self.lanes.finish()
        self.raw.finish()


# ---- Segments of lanes: numbers in brackets are sections of format-lanes.md --------------------------------------------

RANS_LANES = 64
ERRORS = 4
# [3] Of each class of positions its taps: columns of the plane to the right of the position, index of the distance back,
# index of the one that serves where the tap is outside of the plane.
RASTER_TAPS = (((0, 0, 0), (-1, 1, 0), (1, 2, 0), (0, 3, 3), (-2, 4, 0), (2, 5, 0)),)
INTERLACED_TAPS = (((0, 3, 3), (-1, 1, 3), (1, 0, 3), (0, 8, 8), (-2, 4, 3), (2, 5, 3)),
                   ((-1, 0, 0), (1, 2, 0), (0, 3, 3), (-1, 6, 3), (1, 7, 3), (0, 8, 8)))


class LanePlane:
    """Parameters of a plane; `own`: weights of its own taps by class."""

    def __init__(self, classes, taps):
        self.references, self.unit, self.mean, self.has_own = [], 0, 0, 0
        self.own = [[0] * taps for _ in range(classes)]


class LaneModel:
    """[2] The model of a plane set."""

    def __init__(self, side, dtype, numbers, channels, height, width):
        self.coarse = CoarseMap(side, dtype) if dtype.is_float and side.flag() else None
        self.dtype = U8 if self.coarse else dtype
        self.numbers, self.channels = numbers, channels
        self.place = {number: i for i, number in enumerate(numbers)}
        self.code_dtype = BF16 if self.dtype is F32 else self.dtype
        self.height, self.width, self.planes = height, width, len(numbers)
        self.is_bytes = self.dtype.is_narrow and side.flag()
        self.read_head(side)
        self.terms = [LanePlane(self.classes, self.taps) for _ in range(self.planes)]
        if self.is_bytes:
            self.read_bytes(side)
        else:
            self.read_prediction(side)
        self.position_thresholds = self.read_thresholds(side)
        self.activity_thresholds = self.read_thresholds(side)
        self.read_cells(side)
        self.filler_cluster = self.clusters
        if self.has_intervals:
            check(self.clusters <= 32, 'clusters of intervals')
            models = IntervalModels()
            self.intervals = [Intervals(side, models, 'mode' in self.specials) for _ in range(self.clusters)]
        else:
            self.read_frequencies(side)

    def read_bytes(self, side):
        """[10] What byte lanes have in place of weights and the scales of bins."""
        self.is_weighted = side.flag()
        self.read_means(side, 255)
        check(self.is_weighted or not self.sent_means, 'means of sets that are not weighted')
        a, b = SignedModel(), SignedModel()
        self.value_weights, self.base, self.base_range = self.read_byte_weights(side, a, b)
        self.innovation_bits = 0
        if self.is_weighted:
            self.activity_weights, self.activity_base, _ = self.read_byte_weights(side, a, b)
            if side.flag():
                self.read_byte_terms(side)
                self.innovation_bits = side.uniform(3)
        self.position_base = side.ranged(0, 255)

    def read_byte_weights(self, side, a, b):
        """Weights, their base, and what bases may be."""
        weights = [side.weight(a, 96) for _ in range(4)]
        positive, negative = sum(max(w, 0) for w in weights), sum(min(w, 0) for w in weights)
        check(positive <= 96 and negative >= -96, 'weights')
        base_range = (-32768 - 255 * negative, 32767 - 255 * positive)
        base = side.signed(b)
        check(base_range[0] <= base <= base_range[1], 'a base')
        return weights, base, base_range

    def read_byte_terms(self, side):
        same, coarse = AdaptiveBit(), AdaptiveBit()
        for p, plane in enumerate(self.terms):
            begin = p // self.group * self.group
            count = side.uniform(5) if begin else 0
            for _ in range(count):
                plane.references.append((self.read_reference(side, p, begin, same), side.ranged(-127, 127)))
            plane.is_coarse = side.bit(coarse) if count else 0
            for pair in plane.references[:2], plane.references[2:]:
                check(sum(abs(weight) for _, weight in pair) <= 127, 'weights of references')

    def read_reference(self, side, p, begin, same):
        item_before = self.place.get(self.numbers[p] - self.channels, begin)
        return item_before if item_before < begin and side.bit(same) else side.uniform(begin)

    def read_prediction(self, side):
        """[2.2 .. 2.6]"""
        self.read_means(side, 1023)
        a, b = SignedModel(), SignedModel()
        self.spatial = [([side.weight(a, 1023) for _ in range(self.taps)], side.weight(b))
                        for _ in range(self.classes)]
        self.any_terms = side.flag()
        if self.any_terms:
            self.read_terms(side)
        g = SignedModel()
        self.sigma = [[side.weight(g, 255) for _ in range(ERRORS + 2 + self.any_terms)] + [0] * (not self.any_terms)
                      for _ in range(self.classes)]
        self.position_base = side.ranged(-1 << 17, 1 << 17)
        self.position_shift = side.uniform(16)
        self.activity_base = side.ranged(-1 << 17, 1 << 17)
        self.activity_shift = side.uniform(8) if self.dtype.is_narrow else 0

    def read_head(self, side):
        """[2.1]"""
        dtype, narrow = self.code_dtype, self.dtype.is_narrow
        self.interlaced = not self.is_bytes and side.flag()
        self.taps = 6 if self.interlaced or not self.is_bytes and side.flag() else 3
        self.classes = 1 + self.interlaced
        self.columns, self.rows = -(-self.width // self.classes), self.height * self.classes
        self.group = 1 + side.uniform(self.planes)
        check(((self.planes - 1) % self.group + 1) * self.columns >= 3, 'a group of too few columns')
        check((self.group - 1) * self.columns < 1024, 'groups of too many columns')
        self.table_bits = 10 if narrow else 10 + side.uniform(2)
        specials, self.shift, self.unit_exponent = [], 0, 0
        has_escape = 0
        self.has_intervals = self.is_bytes
        if self.is_bytes:
            self.low_code, self.high_code = 0, 255
        elif narrow:
            self.has_intervals = side.flag()
            check(not (self.has_intervals and self.interlaced and self.width % 2), 'intervals beside fillers')
            self.low_code = side.ranged(0, 255)
            self.high_code = side.ranged(self.low_code, 255)
        else:
            if dtype.is_float:
                base = side.ranged(dtype.least_base, 142 if dtype is F16 else 254)
                self.codes = FloatCodes(dtype, base)
                has_escape = side.flag()
            else:
                self.codes = IntegerCodes(dtype)
            self.low_code = side.ranged(self.codes.low, self.codes.high)
            self.high_code = side.ranged(self.low_code, self.codes.high)
            self.shift = side.uniform(16)
            self.unit_exponent = side.ranged(-100, 100)
        if side.flag():
            specials.append('mode')
            self.mode = side.ranged(self.low_code, self.high_code)
        self.exact = {}  # lower halves by upper ones
        for _ in range(side.uniform(4) if self.dtype is F32 else 0):
            upper = self.codes.sample(side.ranged(self.low_code, self.high_code))
            check(upper not in self.exact, 'exact codes that are alike')
            self.exact[upper] = side.direct(16)
        self.specials = specials + ['escape'] * has_escape

    def read_means(self, side, most_error):
        """[2.2]"""
        sends_means = side.flag()
        self.error_prior = side.ranged(0, most_error)
        self.mean = mean = side.ranged(self.low_code, self.high_code)
        drop = max(0, bitwidth(self.high_code - self.low_code) - 8)
        m, step = SignedModel(), (mean - self.low_code) >> drop
        for plane in self.terms:
            plane.mean = mean
            if sends_means:
                step += side.signed(m)
                check(0 <= step <= (self.high_code - self.low_code) >> drop, 'a mean')
                plane.mean = self.low_code + (step << drop)
        self.sent_means = True if sends_means else None

    def read_terms(self, side):
        """[2.4]"""
        c, r, u, o = NumberModel(), SignedModel(), SignedModel(), SignedModel()
        same, has_own = AdaptiveBit(), AdaptiveBit()
        used = [adaptive_bits(self.taps) for _ in range(self.classes)]
        for p, plane in enumerate(self.terms):
            begin = p // self.group * self.group
            count = side.number(c) if begin else 0
            check(count <= 16, 'references of a plane')
            for _ in range(count):
                plane.references.append((self.read_reference(side, p, begin, same), side.weight(r, 511)))
            plane.unit = side.weight(u)
            plane.has_own = side.bit(has_own)
            if plane.has_own:
                plane.own = [[side.weight(o, 511) if side.bit(bit) else 0 for bit in bits] for bits in used]

    def read_thresholds(self, side):
        """[2.6, 10]"""
        n, thresholds, least = NumberModel(), [], 0
        most = 29 if self.is_bytes else 254
        for _ in range(side.uniform(16)):
            thresholds.append(least + side.number(n))
            check(thresholds[-1] <= most, 'a threshold')
            least = min(thresholds[-1] + 1, most)
        return [16 * (t - 14) - 1 if t > 15 else t for t in thresholds] if self.is_bytes else thresholds

    def read_cells(self, side):
        """[2.7]"""
        rows, columns = len(self.position_thresholds) + 1, len(self.activity_thresholds) + 1
        self.clusters, self.cell_cluster = read_clusters(side, rows, columns)
        self.cell_fixed, self.centers = np.zeros((rows, columns), int), np.zeros(rows, np.int64)
        if (not self.is_bytes or self.is_weighted) and side.flag():
            self.cell_fixed = read_fixed(side, rows, columns)
            self.centers[:] = [side.ranged(self.low_code, self.high_code) for _ in range(rows)]

    def read_frequencies(self, side):
        """[2.8]"""
        self.frequencies = [self.below_all(table) for table in read_tables(side, self.clusters, self.table_bits)]
        self.check_tokens()
        # [6] Of fillers.
        self.frequencies.append(self.below_all([0] * len(self.specials) + [1 << self.table_bits]))

    def below_all(self, table):
        """[2.8] No token has all of the frequencies."""
        if 1 << self.table_bits not in table:
            return table
        table = table + [0] * (len(table) == 1)
        token = table.index(1 << self.table_bits)
        table[token] -= 1
        table[0 if token else 1] += 1
        return table

    def check_tokens(self):
        """[6] Least magnitude and raw bits of each token."""
        self.tokens = len(self.frequencies[0])
        check(self.tokens <= 64, 'tokens')
        self.residuals = []
        for token in range(len(self.specials), max(self.tokens, len(self.specials) + 2)):
            q = (token - len(self.specials)) // 2
            lead, exponent = lane_class(q)
            # A token that is only there for another not to have all frequencies has no raw bits.
            bits = self.shift + exponent if token < self.tokens else 0
            check(bits <= (15 - self.table_bits if self.dtype.is_narrow else 15), 'tokens of too many raw bits')
            self.residuals.append((lead << (exponent + self.shift), bits))

    def decode_from(self, reader):
        """The planes of the set, from its streams."""
        words = reader.take(reader.varint())
        if self.coarse:
            return self.coarse.join(LaneSetDecoder(self, words, b'', b'').decode(), reader)
        escapes = b'' if self.dtype.is_narrow else reader.take(reader.varint())
        low = reader.take(reader.varint()) if self.dtype is F32 else b''
        check(len(escapes) % 2 == 0, 'escapes of odd length')
        return LaneSetDecoder(self, words, escapes, low).decode()


class IntervalModels:
    def __init__(self):
        self.split = adaptive_bits(8)
        self.mode_frequency, self.escape_frequency = adaptive_bits(8), adaptive_bits(8)
        self.leaf_frequency = [adaptive_bits(8) for _ in range(9)]


class Intervals:
    """[10] Those of a cluster.  `slots`: of each slot base (None for the mode), raw bits, frequency and first slot."""

    def __init__(self, side, models, has_mode):
        self.side, self.models, self.count, self.slots = side, models, 0, []
        if has_mode:
            self.read(models.mode_frequency, None, 0)
        self.read(models.escape_frequency, 0, 8)
        self.read_node(0, -128)
        check(len(self.slots) == 256, 'frequencies of intervals')

    def read(self, model, base, bits):
        f = self.side.byte(model)
        self.count += f > 0
        check(self.count <= 16, 'intervals of a cluster')
        check(len(self.slots) + f <= 256, 'frequencies of intervals')
        self.slots += [(base, bits, f, len(self.slots))] * f

    def read_node(self, depth, first):
        if depth < 8 and self.side.bit(self.models.split[depth]):
            self.read_node(depth + 1, first)
            self.read_node(depth + 1, first + (128 >> depth))
        else:
            self.read(self.models.leaf_frequency[depth], first, 8 - depth)


class CoarseMap:
    """[2.0, 9] Codes of 8 bits for floats, and what they leave."""

    def __init__(self, side, dtype):
        self.dtype = dtype
        self.zero = side.ranged(0, 254)
        mantissa = 10 if dtype is F16 else 7
        octaves = 1 << 15 - mantissa
        octave, wanted = side.uniform(octaves), max(self.zero, 254 - self.zero)
        steps = []  # the least upper half and the detail bits of each
        same, bits = AdaptiveBit(), None
        while len(steps) < wanted and octave < octaves:
            if bits is None or not side.bit(same):
                bits = side.uniform(9)
            check(bits <= mantissa, 'bits of details')
            steps += [((octave << mantissa) + (i << bits), bits) for i in range(1 << mantissa - bits)]
            octave += 1
        steps += [None] * wanted
        self.upper, self.details = np.zeros(256, np.int64), np.zeros(256, np.int64)  # of codes
        for code in range(256):
            negative = code < self.zero
            if code in (self.zero, self.zero + 1):
                continue
            if step := steps[self.zero - 1 - code if negative else code - self.zero - 2]:
                self.upper[code], self.details[code] = step[0] | negative << 15, step[1]
        self.exact = {}  # samples by codes
        for _ in range(side.uniform(4)):
            code = side.ranged(0, 255)
            check(code not in (self.zero, self.zero + 1, *self.exact), 'an exact code')
            sample = int(self.upper[code]) | side.direct(int(self.details[code]))
            self.exact[code] = sample << 16 | side.direct(16) if dtype is F32 else sample

    def join(self, planes, reader):
        """Samples of planes of codes, from the streams after the words."""
        escapes, details = reader.take(reader.varint()), reader.take(reader.varint())
        low = reader.take(reader.varint()) if self.dtype is F32 else b''
        codes = np.array(planes).astype(np.int64)
        negative, positive = codes < self.zero, codes > self.zero + 1
        coded = (negative | positive) & ~np.isin(codes, list(self.exact))
        count = int(coded.sum())
        lengths = self.details[codes[coded]]
        total = int(lengths.sum())
        bits = np.unpackbits(np.frombuffer(details, np.uint8), bitorder='little')
        check(len(details) == -(-total // 8), 'size of details')
        check(not bits[total:].any(), 'bits after the details')
        # Of each bit, which detail it is of and which of its bits.
        of, first = np.repeat(np.arange(count), lengths), np.cumsum(lengths) - lengths
        fields = np.zeros(count, np.int64)
        np.add.at(fields, of, bits[:total].astype(np.int64) << np.arange(total) - first[of])
        samples = np.where(coded, self.upper[codes], 0)
        samples[coded] |= fields
        width = self.dtype.width
        if self.dtype is F32:
            check(len(low) == 2 * count, 'size of lower halves')
            samples <<= 16
            samples[coded] |= np.frombuffer(low, '<u2')
        for code, sample in self.exact.items():
            samples[codes == code] = sample
        escaped = codes == self.zero + 1
        check(len(escapes) == width // 8 * escaped.sum(), 'size of escapes')
        samples[escaped] = np.frombuffer(escapes, f'<u{width // 8}')
        return list(samples.astype(UNSIGNED[width]))


def lane_class(q):
    """[6] Leading bits of the magnitudes of a class, and how many bits are below."""
    if q < 8:
        return q, 0
    if q < 20:
        return 4 + (q & 3), 1 + (q - 8) // 4
    if q < 26:
        return 2 + (q & 1), 5 + (q - 20) // 2
    return 1, 9 + q - 26


class NarrowLanes:
    """[4] 16-bit integers."""

    number = np.int16

    def __init__(self, model):
        self.model = model

    def value(self, codes):
        return (codes * 64).astype(np.int16)

    def weight(self, w, fraction):
        return self.wrap(np.array(w, np.int64) << (13 - fraction))

    def unit(self, w):
        return self.wrap(2 * w)

    def sigma_unit(self, w):
        return self.wrap(w)

    def error_prior(self):
        return np.int16(16 * self.model.error_prior)

    def share(self, count):
        return np.int16(32767 // count)

    def mean_part(self, mean, rest, fraction):
        return self.wrap((mean * rest * 16 + (1 << fraction - 1)) >> fraction)

    @staticmethod
    def wrap(v):
        return np.array(np.array(v, np.int64) & 0xffff, np.uint16).view(np.int16)

    def add(self, a, b):
        return self.wrap(np.asarray(a, np.int64) + b)

    @staticmethod
    def add_magnitude(a, b):
        return np.minimum(a.astype(np.int64) + b, 32767).astype(np.int16)

    def product(self, v, w):
        return self.wrap(((np.asarray(v, np.int64) * w >> 14) + 1) >> 1)

    def bytes_and_center(self, p, sigma):
        """[5] Bytes of position and activity, and the center."""
        model = self.model
        position = self.wrap(p.astype(np.int64) - model.position_base) >> model.position_shift
        low, high = 16 * model.low_code, 16 * model.high_code
        center = (np.clip(p.astype(np.int64), low, high) + 8) >> 4
        return self.byte(position), self.byte(sigma >> model.activity_shift), center

    @staticmethod
    def byte(v):
        return np.clip(np.minimum(v, (v >> 4) + 120), 0, 255)

    def cut(self, p):
        """To values."""
        return (4 * np.clip(p.astype(np.int64), 16 * self.model.low_code, 16 * self.model.high_code)).astype(np.int16)


class WideLanes:
    """[4] binary32."""

    number = np.float32

    def __init__(self, model):
        self.model, self.m = model, model.code_dtype.mantissa
        self.low, self.high = self.value(np.array([model.low_code, model.high_code]))
        self.unit_value = np.float32(2.0 ** model.unit_exponent)

    def value(self, codes):
        return Wide.value(self, codes)

    def weight(self, w, fraction):
        return np.array(w, np.float32) * np.float32(2.0 ** -fraction)

    def unit(self, w):
        return np.float32(w / 8) * self.unit_value

    def sigma_unit(self, w):
        return np.float32(w / 16) * self.unit_value

    def error_prior(self):
        return np.float32(self.model.error_prior / 4) * self.unit_value

    def share(self, count):
        return np.float32(1) / np.float32(count)

    def mean_part(self, mean, rest, fraction):
        return self.weight(rest, fraction) * self.value(np.array([mean]))[0]

    def add(self, a, b):
        return a + b

    def add_magnitude(self, a, b):
        return a + b

    def product(self, v, w):
        return v * w

    def nearest(self, p):
        if self.m is None:
            return np.rint(np.clip(p.astype(np.float64), -262144, 262144)).astype(np.int64)
        return Wide.nearest(self, p)

    def bytes_and_center(self, p, sigma):
        """[5]"""
        model = self.model
        nearest = self.nearest(p)
        position = np.clip((nearest - model.position_base) >> model.position_shift, 0, 255)
        activity = (sigma.view(np.uint32) >> 19).astype(np.int64)
        if self.m is not None:
            least = np.maximum(np.abs(self.cut(p)), np.float32(2.0 ** -63))
            activity -= (least.view(np.uint32) >> 23).astype(np.int64) << 4
        return position, np.clip(activity - model.activity_base, 0, 255), np.clip(nearest, model.low_code, model.high_code)

    def cut(self, p):
        return np.clip(p, self.low, self.high)


class LaneGroup:
    """[3] Raster and weights of planes first .. first + planes - 1.  Arrays of positions begin `above` before the first."""

    def __init__(self, model, arithmetic, first, innovations):
        self.model, self.arithmetic, self.first = model, arithmetic, first
        self.planes = model.terms[first:first + model.group]
        self.columns = v = model.columns * len(self.planes)
        self.positions = v * model.rows
        self.step = min(RANS_LANES, v - 2)
        self.distances = np.array([v, v + 1, v - 1, 2 * v, 2 * v + 1, 2 * v - 1, 3 * v, 3 * v - 1, 4 * v]
                                  if model.interlaced else [v, v + 1, v - 1, 2 * v, v + 2, v - 2])
        self.error_distances = np.array([v, v + 1, v - 1, 2 * v])
        self.set_weights()
        self.add_references(innovations)
        self.above = 4 * v + 4
        means = np.repeat(arithmetic.value(np.array([plane.mean for plane in self.planes])), model.columns)
        self.values = np.zeros(self.above + self.positions, arithmetic.number)
        self.values[:self.above] = means[np.arange(-self.above, 0) % v]
        self.errors = np.full(self.above + self.positions, arithmetic.error_prior())
        self.innovations = np.zeros(self.positions, arithmetic.number)

    def set_weights(self):
        """By place in the period: a row, or two of them."""
        model, arithmetic = self.model, self.arithmetic
        taps = np.zeros((2, len(self.distances), model.classes, self.columns), np.int64)
        base = np.zeros((2, model.classes, self.columns), arithmetic.number)
        for c in range(model.classes):
            shared, unit = model.spatial[c]
            for g, plane in enumerate(self.planes):
                at = slice(g * model.columns, (g + 1) * model.columns)
                for kind, weights in enumerate((shared, plane.own[c])):
                    for t, weight in enumerate(weights):
                        for x in range(model.columns):
                            taps[kind, self.tap_distance(c, t, x), c, at.start + x] += weight
                base[0, c, at] = arithmetic.add(arithmetic.mean_part(plane.mean, 256 - sum(shared), 8),
                                                arithmetic.unit(unit))
                base[1, c, at] = arithmetic.mean_part(plane.mean, -sum(plane.own[c]), 7)
        period = model.classes * self.columns
        self.tap_weights = [arithmetic.weight(taps[kind].reshape(-1, period), fraction)
                            for kind, fraction in enumerate((8, 7))]
        self.base = base.reshape(2, period)
        self.has_own = any(plane.has_own for plane in self.planes)
        sigma = np.repeat(np.array(model.sigma), self.columns, 0).T
        self.sigma_base = arithmetic.sigma_unit(sigma[ERRORS + 1])
        self.sigma_weights = arithmetic.weight(sigma, 6)

    def tap_distance(self, c, t, x):
        interlaced = self.model.interlaced
        dx, distance, outside = (INTERLACED_TAPS if interlaced else RASTER_TAPS)[c][t]
        scale = 2 if interlaced else 1
        return distance if 0 <= x * scale + c + dx < self.model.width else outside

    def add_references(self, innovations):
        """[7] What references add, and how active they are, by position."""
        arithmetic, shape = self.arithmetic, (self.model.rows, self.model.columns)
        sums, activities = [], []
        for plane in self.planes:
            total = np.full(shape, arithmetic.unit(plane.unit))
            activity = np.zeros(shape, arithmetic.number)
            for q, weight in plane.references:
                total = arithmetic.add(total, arithmetic.product(innovations[q], arithmetic.weight(weight, 7)))
                activity = arithmetic.add_magnitude(activity, np.abs(innovations[q]))
            if plane.references:
                activity = arithmetic.product(activity, arithmetic.share(len(plane.references)))
            sums.append(total)
            activities.append(activity)
        self.reference = np.concatenate(sums, 1).reshape(-1)
        self.reference_activity = np.concatenate(activities, 1).reshape(-1)

    def predict(self, p):
        """[4], [5] Of positions p, in ascending order: spatial prediction, prediction, bytes and center."""
        arithmetic, add, product = self.arithmetic, self.arithmetic.add, self.arithmetic.product
        place, at = p % len(self.sigma_base), self.above + p
        sums = []
        for kind in range(1 + self.has_own):
            total = self.base[kind][place]
            for distance, weights in zip(self.distances, self.tap_weights[kind]):
                total = add(total, product(self.values[at - distance], weights[place]))
            sums.append(total)
        spatial = sums[0]
        prediction = add(add(spatial, sums[1]) if self.has_own else spatial, self.reference[p])
        sigma = self.sigma_base[place]
        for distance, weights in zip(self.error_distances, self.sigma_weights):
            sigma = add(sigma, product(self.errors[at - distance], weights[place]))
        above = [self.values[at - self.columns + i] for i in (-1, 0, 1)]
        spread = np.max(above, 0) - np.min(above, 0)
        sigma = add(sigma, product(spread, self.sigma_weights[ERRORS][place]))
        sigma = add(sigma, product(self.reference_activity[p], self.sigma_weights[ERRORS + 2][place]))
        sigma = np.maximum(sigma, arithmetic.number(0))
        return (spatial, prediction, *arithmetic.bytes_and_center(prediction, sigma))

    def update(self, p, codes, spatial, prediction):
        arithmetic = self.arithmetic
        value = arithmetic.value(np.array(codes, np.int64))
        self.values[self.above + p] = value
        self.errors[self.above + p] = np.abs(value - arithmetic.cut(prediction))
        self.innovations[p] = value - arithmetic.cut(spatial)

    def plane_and_place(self, p):
        """Of each position: the plane of the set, and row and column in it."""
        row, column = np.divmod(p, self.columns)
        plane, x = np.divmod(column, self.model.columns)
        if self.model.interlaced:
            return self.first + plane, row // 2, 2 * x + row % 2
        return self.first + plane, row, x


class ByteGroup:
    """[10] As LaneGroup, of byte lanes."""

    def __init__(self, model, first, innovations):
        self.model, self.first, self.planes = model, first, model.terms[first:first + model.group]
        self.columns = v = model.columns * len(self.planes)
        self.positions = v * model.rows
        self.step = min(RANS_LANES, v - 2)
        self.above = 2 * v + 1
        means = np.repeat([plane.mean for plane in self.planes], model.columns)
        self.values = np.zeros(self.above + self.positions, np.int64)
        self.values[:self.above] = means[np.arange(-self.above, 0) % v]
        self.errors = np.full(self.above + self.positions, model.error_prior)
        self.innovations = np.zeros(self.positions, np.int64)
        bases = model.base + (means - model.mean) * (64 - sum(model.value_weights))
        self.bases = np.clip(bases, *model.base_range)
        self.add_references(innovations)

    def add_references(self, innovations):
        shape = (self.model.rows, self.model.columns)
        sums, activities = [], []
        for plane in self.planes:
            of = [innovations[q] for q, _ in plane.references]
            total = sum((weight * i for (_, weight), i in zip(plane.references, of)), np.zeros(shape, np.int64))
            shift = self.model.innovation_bits - (1 if of and plane.is_coarse else 0)
            sums.append(total >> shift if shift >= 0 else np.clip(2 * total, -32768, 32767))
            size = [np.abs(i) for i in of] or [np.zeros(shape, np.int64)]
            pairs = [self.average(*size[i:i + 2]) if len(size) > i + 1 else size[i] for i in range(0, len(size), 2)]
            activities.append(self.average(*pairs) if len(pairs) == 2 else pairs[0])
        self.reference = np.concatenate(sums, 1).reshape(-1)
        self.reference_activity = np.concatenate(activities, 1).reshape(-1)

    def predict(self, p):
        model, at, v = self.model, self.above + p, self.columns
        values = [self.values[at - distance] for distance in (v, v + 1, v - 1, 2 * v)]
        spatial = self.bases[p % v] + sum(w * value for w, value in zip(model.value_weights, values))
        center = np.clip(np.clip(spatial + self.reference[p], -32768, 32767) >> 6, 0, 255)
        spread = np.max(values[:3], 0) - np.min(values[:3], 0)
        here, left, right = (self.errors[at - distance] for distance in (v, v + 1, v - 1))
        sides = self.average(left, right)
        if model.is_weighted:
            sources = (here, sides, spread, self.reference_activity[p])
            total = model.activity_base + sum(w * source for w, source in zip(model.activity_weights, sources))
            activity = np.clip(total >> 4, 0, 255)
        else:
            activity = self.average(spread, np.minimum(2 * self.average(here, sides), 255))
        return spatial, center, (center - model.position_base) % 256, activity, center

    @staticmethod
    def average(a, b):
        return (a + b + 1) >> 1

    def update(self, p, codes, spatial, prediction):
        codes, bits = np.array(codes, np.int64), self.model.innovation_bits
        self.values[self.above + p] = codes
        self.errors[self.above + p] = np.abs(codes - prediction)
        above = 64 * codes + 32 + (32 >> bits) - np.maximum(spatial, 0)
        self.innovations[p] = np.clip(above >> (6 - bits), -128, 127)

    def plane_and_place(self, p):
        row, column = np.divmod(p, self.columns)
        plane, x = np.divmod(column, self.model.columns)
        return self.first + plane, row, x


def plane_innovations(group):
    """Of each plane of a group, as rows and columns of the raster."""
    rasters = group.innovations.reshape(group.model.rows, len(group.planes), group.model.columns)
    return rasters.transpose(1, 0, 2)


def places_of_tokens(frequencies, table_bits):
    """[6] Tokens and their frequencies in the order of their slots."""
    single, greatest = (1 << table_bits) // 8, frequencies.index(max(frequencies))
    present = [(token, f) for token, f in enumerate(frequencies) if f and token != greatest]
    small = max(m for m in range(single + 1) if sum(f for _, f in present if f <= m) <= single)
    shared, error, most_error = [], 0, 4 + frequencies[greatest] // 16
    for token, f in present:
        if f <= small:
            continue
        rounded = (f + 4) // 8 * 8
        if rounded > f and error + rounded - f > most_error:
            rounded -= 8
        elif rounded < f and error + rounded - f < -most_error:
            rounded += 8
        rounded = max(rounded, 8)
        error += rounded - f
        shared.append([token, rounded])
    while error >= frequencies[greatest]:
        max(shared, key=lambda place: place[1])[1] -= 8
        error -= 8
    return shared + [[greatest, frequencies[greatest] - error]] + [place for place in present if place[1] <= small]


class Banks:
    """[10] States of 16 bits and bytes; the banks take turns from step to step."""

    def __init__(self, words, intervals):
        self.reader, self.intervals, self.steps = Reader(words), intervals, 0
        self.banks = [list(struct.unpack('<64H', self.reader.take(2 * RANS_LANES))) for _ in range(2)]
        check(all(x >= 256 for bank in self.banks for x in bank), 'a state')

    def step(self, clusters):
        """Base and raw bits of each position of a step."""
        states, found, symbols = self.banks[self.steps % 2], [], []
        self.steps += 1
        for i, cluster in enumerate(clusters):
            slot = states[i] & 255
            base, bits, f, start = self.intervals[cluster].slots[slot]
            found.append((base, bits))
            states[i] = self.refilled(f * (states[i] >> 8) + slot - start)
        for i, (base, bits) in enumerate(found):
            symbols.append((base, states[i] & ((1 << bits) - 1)))
            states[i] = self.refilled(states[i] >> bits)
        return symbols

    def refilled(self, x):
        return x << 8 | self.reader.byte() if x < 256 else x

    def finish(self):
        check(all(x == 256 for bank in self.banks for x in bank), 'the states do not end as they should')
        check(self.reader.at_end(), 'bytes are left')


class LaneSetDecoder:
    """[6] Tokens, or [10] intervals, to samples."""

    def __init__(self, model, words, escapes, low):
        self.model = model
        self.arithmetic = (NarrowLanes if model.dtype.is_narrow else WideLanes)(model)
        if model.has_intervals:
            self.lanes = Banks(words, model.intervals)
        else:
            tables = [places_of_tokens(table, model.table_bits) for table in model.frequencies]
            self.lanes = Lanes(words, RANS_LANES, tables, model.table_bits)
        self.escapes, self.low = Reader(escapes), Reader(low)
        self.samples = np.zeros((model.planes, model.height, model.width), UNSIGNED[model.dtype.width])
        self.needs_low = np.zeros(self.samples.shape, bool)

    def decode(self):
        model, innovations = self.model, {}
        named = {q for plane in model.terms for q, _ in plane.references}
        for first in range(0, model.planes, model.group):
            group = (ByteGroup(model, first, innovations) if model.is_bytes else
                     LaneGroup(model, self.arithmetic, first, innovations))
            with np.errstate(over='raise', invalid='raise', divide='raise'):
                for p in range(0, group.positions, group.step):
                    self.decode_step(group, np.arange(p, min(p + group.step, group.positions)))
            for q, plane in enumerate(plane_innovations(group) if named else (), first):
                if q in named:
                    innovations[q] = plane
        self.lanes.finish()
        check(self.escapes.at_end(), 'escapes are left')
        if model.dtype is F32:
            self.join_halves()
        return self.samples

    def decode_step(self, group, p):
        model = self.model
        spatial, prediction, position, activity, center = group.predict(p)
        row = np.searchsorted(model.position_thresholds, position, side='left')
        column = np.searchsorted(model.activity_thresholds, activity, side='left')
        center = np.where(model.cell_fixed[row, column], model.centers[row], center).tolist()
        plane, y, x = group.plane_and_place(p)
        is_filler = x == model.width
        clusters = np.where(is_filler, model.filler_cluster, model.cell_cluster[row, column]).tolist()
        if model.has_intervals:
            codes, samples = self.decode_intervals(clusters, center)
        else:
            codes, samples = self.decode_symbols(clusters, center, is_filler.tolist())
        some = np.flatnonzero(~is_filler)
        samples = np.array(samples, np.uint64)[some]
        self.needs_low[plane[some], y[some], x[some]] = samples >> np.uint64(32)
        self.samples[plane[some], y[some], x[some]] = samples.astype(self.samples.dtype)
        group.update(p, codes, spatial, prediction)

    def decode_intervals(self, clusters, centers):
        """[10] Codes and samples of a step."""
        codes = [self.model.mode if base is None else (center + base + raw) & 255
                 for (base, raw), center in zip(self.lanes.step(clusters), centers)]
        return codes, [self.narrow_sample(code) for code in codes]

    def narrow_sample(self, code):
        return code ^ 0x80 if self.model.dtype is I8 else code

    def decode_symbols(self, clusters, centers, is_filler):
        """Codes and samples of a step."""
        model, lanes, narrow = self.model, self.lanes, self.model.dtype.is_narrow
        tokens, raws = [], []
        for lane, cluster in enumerate(clusters):
            tokens.append(lanes.token(lane, cluster))
            if narrow:
                raws.append(lanes.narrow_raw(lane, self.raw_bits(tokens[-1], is_filler[lane])))
            lanes.refill(lane)
        if not narrow:
            for lane, token in enumerate(tokens):
                raws.append(lanes.narrow_raw(lane, self.raw_bits(token, is_filler[lane])))
                lanes.refill(lane)
        coded = [self.code_and_sample(*symbol) for symbol in zip(tokens, raws, centers, is_filler)]
        return zip(*coded)

    def raw_bits(self, token, is_filler):
        residual = token - len(self.model.specials)
        return 0 if residual < 0 or is_filler else self.model.residuals[residual][1]

    def code_and_sample(self, token, raw, center, is_filler):
        model = self.model
        residual = token - len(model.specials)
        escape = False
        if residual < 0:
            escape = model.specials[token] == 'escape'
            check(not (escape and is_filler), 'an escape of no sample')
            code = 0 if escape else model.mode
        else:
            a, bits = model.residuals[residual]
            # Raw bits of narrow sets count upwards from the least residual.
            a += (1 << bits) - 1 - raw if model.dtype.is_narrow and residual % 2 and not is_filler else raw
            code = center - 1 - a if residual % 2 else center + a
        if model.dtype.is_narrow:
            code &= 255
            return code, self.narrow_sample(code)
        check(model.low_code <= code <= model.high_code, 'a code out of range')
        sample = self.next_escape() if escape else model.codes.sample(code)
        if model.dtype is not F32:
            return code, sample
        # [8] Bit 32: the lower half is to come.
        if sample not in model.exact:
            return code, 1 << 32 | sample << 16
        return code, sample << 16 | (self.next_escape() if escape else model.exact[sample])

    def next_escape(self):
        return struct.unpack('<H', self.escapes.take(2))[0]

    def join_halves(self):
        """[8]"""
        for plane, places in zip(self.samples, self.needs_low):
            for place in zip(*np.nonzero(places)):
                plane[place] |= struct.unpack('<H', self.low.take(2))[0]
        check(self.low.at_end(), 'lower halves are left')


# ---- Segments of rows: numbers in brackets are sections of format-rows.md ----------------------------------------------

ROW_TABLE_BITS = 11
SINGLE = np.float32


class RowModel:
    """[2]"""

    def __init__(self, side, rows, columns):
        check(columns >= 16, 'rows of few columns')
        self.lanes = 1 << side.uniform(7)
        self.specials = [name for name in ('zero', 'escape') if side.flag()]
        self.rope = self.read_rope(side, columns) if side.flag() else None
        s, m = SignedModel(), SignedModel()
        self.scales, self.means, scale = [], [], 0
        for _ in range(columns):
            scale += side.signed(s)
            mean = side.signed(m)
            check(abs(scale) <= 960 and abs(mean) <= 1 << 22, 'a column')
            check(abs(mean) * 2.0 ** ((scale >> 3) - 4) <= 2.0 ** 64, 'mean of a column')
            self.scales.append(scale)
            self.means.append(SINGLE(mean) * SINGLE(2.0 ** ((scale >> 3) - 4)))
        self.read_rows(side, rows)
        clusters, cluster = read_clusters(side, 20, 8)
        self.cluster = cluster.tolist()
        self.frequencies = read_tables(side, clusters, ROW_TABLE_BITS)

    @staticmethod
    def read_rope(side, columns):
        n = NumberModel()
        head_dim, rotary_dim, theta = side.number(n), side.number(n), side.number(n)
        check(2 <= head_dim <= columns and columns % head_dim == 0, 'heads')
        check(2 <= rotary_dim <= head_dim and rotary_dim % 2 == 0 and theta >= 2, 'a rotation')
        return head_dim, rotary_dim, theta, side.flag()

    def read_rows(self, side, rows):
        repeats, follows = adaptive_bits(2), adaptive_bits(8)
        more = [adaptive_bits(8) for _ in range(9)]
        weight = [adaptive_bits(256) for _ in range(2)]
        t = SignedModel()
        self.rows, before = [], None  # (repeats, [(row, weight)], scale)
        for r in range(rows):
            repeated, references = 0, []
            if r > 0:
                repeated = side.bit(repeats[before[0]])
                count = 1 if repeated else side.ones(more[len(before[1])])
                for i in range(count):
                    row = None
                    if i < len(before[1]) and side.bit(follows[i]):
                        row = before[1][i][0] + 1
                    if row is None:
                        row = r - 1 - side.uniform(r)
                    k = 1
                    while not repeated and k < 256:
                        k = 2 * k + side.bit(weight[min(i, 1)][k])
                    references.append((row, k - 256 - 64))
            scale = 0 if repeated else side.signed(t)
            check(abs(scale) <= 1920, 'the scale of a row')
            before = (repeated, references, scale)
            self.rows.append(before)


def log2_of(x):
    """[4]"""
    k, exponent = struct.unpack('<Q', struct.pack('<d', x))[0], 0
    exponent = (k >> 52) - 1023
    mantissa = k & ((1 << 52) - 1)
    k, f = mantissa >> 41, (mantissa & ((1 << 41) - 1)) / 2 ** 41

    def table(k):
        if k == 2048:
            return 1.0
        z, fraction = (1 << 31) + (k << 20), 0
        for _ in range(30):
            z, fraction = z * z >> 31, fraction * 2
            if z >= 1 << 32:
                z, fraction = z >> 1, fraction + 1
        return fraction / 2 ** 30
    return exponent + table(k) + f * (table(k + 1) - table(k))


def power_of_two(x):
    n = math.floor(x + 0.5)
    t, result = (x - n) * 0.69314718055994530942, 1.0
    for j in range(14, 0, -1):
        result = 1 + result * t / j
    return 2.0 ** n * result


def sine_and_cosine(turns):
    n = math.floor(turns * 4 + 0.5)
    t = (turns - n * 0.25) * 6.28318530717958647693
    z, sine, cosine = t * t, 1.0, 1.0
    for j in range(8, 0, -1):
        sine = 1 - sine * z / (2 * j * (2 * j + 1))
        cosine = 1 - cosine * z / (2 * j * (2 * j - 1))
    sine = sine * t
    return ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))[n % 4]


class Rotation:
    """[4]"""

    def __init__(self, rope, columns):
        head_dim, self.rotary_dim, self.theta, interleaved = rope
        self.pairs = self.rotary_dim // 2
        first = np.arange(self.pairs) * (2 if interleaved else 1)
        heads = np.arange(0, columns, head_dim)[:, None]
        self.first = heads + first
        self.second = self.first + (1 if interleaved else self.pairs)

    @functools.cache
    def directions(self, position):
        e = -2.0 * log2_of(float(self.theta)) / float(self.rotary_dim)
        angles = [sine_and_cosine(0.15915494309189533577 * power_of_two(e * i) * position) for i in range(self.pairs)]
        return np.array([c for _, c in angles], SINGLE), np.array([s for s, _ in angles], SINGLE)

    def turn(self, row, position, forward):
        c, s = self.directions(position)
        s = s if forward else -s
        x, y = row[self.first], row[self.second]
        row[self.first], row[self.second] = c * x - s * y, c * y + s * x


class Cells:
    """[5]"""

    def __init__(self, dtype):
        self.is_float, self.width, self.m = dtype.is_float, dtype.width, dtype.mantissa or 0
        self.least, self.most = (-14, 15) if dtype is F16 else (-126, 63)
        self.codes = None if self.is_float else IntegerCodes(dtype)

    def value(self, sample):
        """[3]"""
        if not self.is_float:
            return SINGLE(self.codes.code(sample))
        magnitude = sample & ((1 << (self.width - 1)) - 1)
        field, mantissa = magnitude >> self.m, magnitude & ((1 << self.m) - 1)
        exponent = max(field, 1) - 1 + self.least
        if exponent > self.most:
            return SINGLE(0)
        value = SINGLE(math.ldexp((1 << self.m if field else 0) + mantissa, exponent - self.m))
        return -value if sample >> (self.width - 1) else value

    def exponent(self, wished, p):
        if not self.is_float:
            return clamp(wished >> 3, 0, 24)
        e = (int(SINGLE(p).view(np.uint32)) >> 23 & 255) - 127
        return clamp(max(wished >> 3, max(e, self.least) - self.m), -120, 100)

    def sample(self, cell, e, raw):
        if not self.is_float:
            value = cell * (1 << e) + raw.take(e)
            check(self.codes.low <= value <= self.codes.high, 'a cell without samples')
            return self.codes.sample(value)
        magnitude = -1 - cell if cell < 0 else cell
        check(magnitude < 1 << 26, 'a cell too far')
        significand, u = self.magnitude(magnitude, e, raw)
        field = u + self.m - self.least + 1 if significand >> self.m else 0
        sign = 1 << (self.width - 1) if cell < 0 else 0
        return sign | field << self.m | significand & ((1 << self.m) - 1)

    def magnitude(self, cell, e, raw):
        lowest = self.least - self.m
        if cell > 0:
            exponent = e + bitwidth(cell) - 1
            check(exponent <= self.most, 'a sample too large')
            u = max(exponent, self.least) - self.m
            if e > u:
                return (cell << (e - u)) + raw.take(e - u), u
            check(cell >> (u - e) << (u - e) == cell, 'a cell between samples')
            return cell >> (u - e), u
        if e <= self.least:
            return raw.take(max(0, e - lowest)), lowest
        zeros = 0
        while zeros < e - self.least and raw.take(1) == 0:
            zeros += 1
            check(zeros <= 24, 'a sample far below its cell')
        mantissa = raw.take(self.m)
        if zeros == e - self.least:
            return mantissa, lowest
        return 1 << self.m | mantissa, e - 1 - zeros - self.m


def decode_rows(reader, dtype, items, positions, columns):
    """[1] The samples, row after row."""
    side = SideInformation(reader.take(reader.varint()))
    model = RowModel(side, items * positions, columns)
    lanes = Lanes(reader.take(reader.varint()), model.lanes, map(enumerate, model.frequencies), ROW_TABLE_BITS)
    raw = RawBits(reader.take(reader.left()))
    cells = Cells(dtype)
    rotation = Rotation(model.rope, columns) if model.rope else None
    means = np.array(model.means, SINGLE)
    samples, values = [], []
    for r, (repeats, references, row_scale) in enumerate(model.rows):
        if repeats:
            samples.append(samples[references[0][0]])
        else:
            p = means.copy()
            for q, weight in references:
                p = p + SINGLE(weight / 32) * (values[q] - means)
            if rotation:
                rotation.turn(p, r % positions, True)
            if not dtype.is_float:
                p = np.clip(p, SINGLE(-2.0 ** 31), SINGLE(2.0 ** 31))
            scales = [clamp(s + row_scale, -960, 960) for s in model.scales]
            samples.append(decode_row(model, cells, lanes, raw, p, scales))
        row = np.array([cells.value(x) for x in samples[-1]], SINGLE)
        if rotation:
            rotation.turn(row, r % positions, False)
        values.append(row)
    lanes.finish()
    raw.finish()
    return [x for row in samples for x in row]


def decode_row(model, cells, lanes, raw, predictions, scales):
    row = []
    for c, (p, s) in enumerate(zip(predictions, scales)):
        wished = s - 8
        e = cells.exponent(wished, p)
        f = p * SINGLE(2.0 ** -e)
        n = math.floor(f)
        error = clamp((wished - 8 * e) >> 1, -16, 3) + 16
        lane = c % model.lanes
        token = lanes.token(lane, model.cluster[error][min(7, int((f - SINGLE(n)) * SINGLE(8)))])
        lanes.refill(lane)
        if token < len(model.specials):
            row.append(0 if model.specials[token] == 'zero' else raw.take(cells.width))
            continue
        q, negative = divmod(token - len(model.specials), 2)
        check(base(q) < 1 << 32, 'a token of too large a residual')
        a = base(q) + raw.take(extra(q))
        row.append(cells.sample(n - 1 - a if negative else n + a, e, raw))
    return row


# ---- [11] Archive ---------------------------------------------------------------------------------------------------

TABLE, SINGLE_FRAME, COMPRESSED_TABLE, OPEN = 0, 1, 2, 4
RAW, NPY, NPZ, SAFETENSORS, TORCH, BYTES = range(1, 7)
INLINE, TENSOR, OPAQUE, NPY_HEADER = range(4)
MOST_PIECES, MOST_NAME, MOST_TABLE = 1000000, 4096, 1 << 25


class Piece:
    """A part of the original file: its kind, name, dtype (a number), shape and length, as far as it has them."""

    def __init__(self, kind, name=b'', dtype=None, shape=None, length=None):
        self.kind, self.name, self.dtype, self.shape, self.length = kind, name, dtype, shape, length

    @property
    def is_frame(self):
        return self.kind in (TENSOR, OPAQUE)


class Head:
    """kind, form, pieces and inline bytes of an archive."""

    def __init__(self, reader, checksums):
        check(reader.take(4) == b'DCAR', 'not a dcac archive')
        version, self.kind, self.form = reader.take(3)
        if version != 1 or not RAW <= self.kind <= BYTES:
            raise Unsupported(f'an archive of version {version}, kind {self.kind}')
        self.pieces, self.inline = [], b''
        table = None
        if self.form == SINGLE_FRAME:
            check(self.kind in (RAW, NPY, BYTES), 'a single frame of this kind')
            self.pieces = [Piece(NPY_HEADER)] if self.kind == NPY else []
            self.pieces.append(Piece(OPAQUE if self.kind == BYTES else TENSOR))
        elif self.form == OPEN:
            check(self.kind == BYTES, 'an open archive of this kind')
        else:
            check(self.form in (TABLE, COMPRESSED_TABLE), 'the flags of an archive')
            length = read_length(reader, MOST_TABLE)
            stored = read_length(reader, length) if self.form == COMPRESSED_TABLE else length
            table = reader.take(stored)
        checksums.check32(reader.data[:reader.position], reader.u32(), 'head')
        if table is not None:
            self.read_table(Reader(unzstd(table, length) if self.form == COMPRESSED_TABLE else table))

    def read_table(self, reader):
        count = reader.varint()
        check(count <= MOST_PIECES, 'the number of pieces')
        self.pieces = [read_piece(reader) for _ in range(count)]
        for piece, following in zip(self.pieces, self.pieces[1:] + [None]):
            check(piece.kind != NPY_HEADER or (following and following.kind == TENSOR), 'a header without a tensor')
        self.inline = reader.take(sum(piece.length for piece in self.pieces if piece.kind == INLINE))
        check(reader.at_end(), 'bytes after the table')


def read_piece(reader):
    kind = reader.byte()
    if kind > NPY_HEADER:
        raise Unsupported(f'a piece of kind {kind}')
    piece = Piece(kind)
    if piece.is_frame:
        length = reader.varint()
        check(length <= MOST_NAME, 'the length of a name')
        piece.name = reader.take(length)
    if kind == TENSOR:
        piece.dtype, rank = reader.take(2)
        check(rank <= 8, 'the rank of a tensor')
        piece.shape = [reader.varint() for _ in range(rank)]
    elif kind != NPY_HEADER:
        piece.length = read_length(reader, 1 << 62)
    return piece


def read_length(reader, most):
    length = reader.varint()
    check(1 <= length <= most, 'a length')
    return length


class Tail:
    """The bytes of each frame and the digest of the original file."""

    def __init__(self, data, checksums):
        check(len(data) >= 28, 'the archive ends before its tail')
        self.size = struct.unpack('<I', data[-8:-4])[0]
        check(28 <= self.size <= len(data), 'the size of the tail')
        data = data[len(data) - self.size:]
        check(data[:4] == b'DCAT', 'the magic of the tail')
        checksums.check32(data[:-4], struct.unpack('<I', data[-4:])[0], 'tail')
        reader = Reader(data[4:-24])
        self.frames = []
        while not reader.at_end():
            self.frames.append(reader.varint())
        check(len(self.frames) <= MOST_PIECES, 'the number of frames')
        self.digest = data[-24:-8]


def canonical_prefix(header):
    """[5 of the archive] The header that NumPy writes for an array in C order."""
    descr = {'u8': '|u1', 'f8e4m3': '|u1', 'f8e5m2': '|u1', 'i8': '|i1', 'bool': '|b1', 'u16': '<u2', 'bf16': '<u2',
             'i16': '<i2', 'u32': '<u4', 'i32': '<i4', 'u64': '<u8', 'i64': '<i8', 'f16': '<f2', 'f32': '<f4',
             'f64': '<f8', 'c64': '<c8', 'c128': '<c16'}
    extents = [str(extent) for extent in header.shape]
    shape = f'({extents[0]},)' if len(extents) == 1 else f'({", ".join(extents)})'
    text = f"{{'descr': '{descr[header.dtype.name]}', 'fortran_order': False, 'shape': {shape}, }}"
    if extents:
        text += ' ' * (21 - len(extents[0]))
    text += ' '
    text += ' ' * (-(10 + len(text) + 1) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode()


def frames_of_archive(data, checksums):
    """Head, tail (None if there is none), and the bytes of each frame."""
    reader = Reader(data)
    head = Head(reader, checksums)
    if head.form == SINGLE_FRAME:
        return head, None, [data[reader.position:]]
    tail = Tail(data[reader.position:], checksums)
    frames = [reader.take(size) for size in tail.frames]
    check(reader.position + tail.size == len(data), 'the frames do not end at the tail')
    if head.form == OPEN:
        head.pieces = [Piece(OPAQUE) for _ in frames]
    check(len(frames) == sum(piece.is_frame for piece in head.pieces), 'the number of frames')
    return head, tail, frames


def decode_archive(data, checksums):
    """The original file."""
    head, tail, frames = frames_of_archive(data, checksums)
    frames = iter(frames)
    inline = Reader(head.inline)
    restored, npy_header = [], False
    for piece in head.pieces:
        if piece.kind == INLINE:
            restored.append(inline.take(piece.length))
        elif piece.is_frame:
            header, samples = decode_frame(next(frames), checksums)
            check_piece(piece, header)
            restored += [canonical_prefix(header)] * npy_header + [samples]
        npy_header = piece.kind == NPY_HEADER
    restored = b''.join(restored)
    if tail:
        checksums.check128(restored, tail.digest, 'file')
    return restored


def check_piece(piece, header):
    """A frame is what the table says of it."""
    if piece.kind == OPAQUE:
        check(header.dtype.name == 'u8' and len(header.shape) == 1, 'a frame of bytes is no u8 of one axis')
        check(piece.length is None or list(header.shape) == [piece.length], 'a frame of bytes has another length')
    elif piece.shape is not None:
        check(DTYPES[piece.dtype].name == header.dtype.name and piece.shape == list(header.shape),
              'a frame is another tensor than the table says')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--frame', action='store_true', help='FILE is a bare frame')
    parser.add_argument('--no-checksums', action='store_true', help='do not verify checksums')
    parser.add_argument('file')
    parser.add_argument('out')
    arguments = parser.parse_args()
    if arguments.no_checksums:
        print('reference_decoder: checksums are not verified', file=sys.stderr)
    checksums = Checksums(ignored=arguments.no_checksums)
    with open(arguments.file, 'rb') as file:
        data = file.read()
    try:
        restored = decode_frame(data, checksums)[1] if arguments.frame else decode_archive(data, checksums)
    except (Malformed, Unsupported) as error:
        sys.exit(f'reference_decoder: {arguments.file}: {error}')
    with open(arguments.out, 'wb') as file:
        file.write(restored)


if __name__ == '__main__':
    main()
