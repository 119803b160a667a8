#!/usr/bin/env python3
"""make_goldens.py DCAC

Rewrites the golden files with the program DCAC: tests/golden/v1 (small archives and the manifest of what they restore),
tests/golden/sizes.csv and the blocks of section 14 of docs/format.md.  Run it after an intended change of the encoder
and look at the difference of sizes.csv.  After a change of the format itself the old goldens must stay: they show that
frames of version 1 are still read.
"""
import pathlib
import sys
import tempfile

import numpy as np

import golden_files
from golden_files import reference_decoder

DTYPES = ('u8', 'i8', 'u16', 'i16', 'f16', 'bf16', 'f32')
# Bit patterns of -0, infinities, NaNs (one signaling), subnormals, the least normal and the greatest numbers.
SPECIALS = {'f16': (np.uint16, [0x8000, 0x7c00, 0xfc00, 0x7e00, 0xfd01, 1, 0x83ff, 0x400, 0x7bff, 0xfbff]),
            'bf16': (np.uint16, [0x8000, 0x7f80, 0xff80, 0x7fc0, 0xff81, 1, 0x807f, 0x80, 0x7f7f, 0xff7f]),
            'f32': (np.uint32, [0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xff800001, 1, 0x807fffff, 0x800000,
                                0x7f7fffff, 0xff7fffff])}


class Inputs:
    """Sources of maps; every golden has its own, so that one more golden changes no other."""

    def __init__(self, name):
        self.random = np.random.default_rng(list(name.encode()))

    def integers(self, low, high, shape):
        return self.random.integers(low, high, shape)

    def maps(self, shape):
        """Smooth integers of some +-2^18; planes of an item resemble each other."""
        n, c, h, w = shape
        field = self.integers(-60, 61, (n, 4, h, w)).cumsum(2).cumsum(3)
        field -= field.mean((2, 3), keepdims=True).astype(np.int64)
        field = (field << 18) // np.abs(field).max((2, 3), keepdims=True).clip(1)
        mix = self.integers(-8, 9, (1, c, 4))
        mixed = np.einsum('ncs,nshw->nchw', np.broadcast_to(mix, (n, c, 4)), field) // 16
        return mixed + self.integers(-3000, 3001, shape)


def as_dtype(maps, dtype):
    """Maps of the class Inputs as samples."""
    if dtype == 'u8':
        return ((maps >> 11) + 128).clip(0, 255).astype('u1')
    if dtype == 'i8':
        return (maps >> 11).clip(-128, 127).astype('i1')
    if dtype == 'u16':
        return ((maps >> 4) + 32768).clip(0, 65535).astype('<u2')
    if dtype == 'i16':
        return (maps >> 4).clip(-32768, 32767).astype('<i2')
    if dtype == 'bf16':
        return ((maps / 77777).astype('<f4').view('<u4') >> 16).astype('<u2')
    return (maps / 77777).astype('<f2' if dtype == 'f16' else '<f4')


def mode_goldens():
    """Feature maps of each dtype in each mode, of items that resemble each other."""
    for dtype in DTYPES:
        for mode in ('ls', 'dcac', 'intra'):
            source = Inputs(f'mode {dtype}')
            maps = np.maximum(source.maps((1, 6, 20, 20)), -50000)
            maps = np.concatenate([maps, maps + source.integers(-800, 801, maps.shape)])
            yield f'{dtype}-{mode}', as_dtype(maps, dtype), dtype, [f'--mode={mode}']


def plane_goldens(height=23, width=22, close=(7, 10, 11)):
    """Constant, duplicate, upsampled and little different planes."""
    for dtype in ('u8', 'i16', 'f16', 'f32'):
        source = Inputs(f'planes {dtype}')
        samples = as_dtype(source.maps((1, 12, height, width)), dtype)
        planes = samples[0]
        planes[1], planes[2], planes[3], planes[8] = 3, 3, planes[0], 5
        for p, scale in ((4, 2), (5, 4), (6, 8), (9, 2)):
            part = planes[p, :-(-height // scale), :-(-width // scale)]
            planes[p] = part.repeat(scale, 0).repeat(scale, 1)[:height, :width]
        patterns = planes.view(f'u{samples.itemsize}')
        for p in close:
            patterns[p] = patterns[0] + (source.integers(0, 16, (height, width)) == 0)
        yield f'{dtype}-planes', samples, dtype, []


def margin_goldens():
    """Rows, columns or both that repeat those before them in all planes."""
    for dtype, rows, columns in (('u8', True, False), ('bf16', False, True), ('f32', True, True), ('u16', True, True)):
        samples = as_dtype(Inputs(f'margins {dtype}').maps((2, 4, 40, 40)), dtype)
        if rows:
            samples[:, :, 1:10], samples[:, :, 27:39] = samples[:, :, :1], samples[:, :, 26:27]
        if columns:
            samples[..., 30:] = samples[..., 29:30]
        yield f'{dtype}-margins', samples, dtype, []


def real_goldens():
    """Parts of real maps: their planes resemble neighbouring places of others."""
    for name, dtype, planes, size in (('esrgan-up2', 'u8', 8, 32), ('esrgan-up2', 'u8', 4, 48),
                                      ('efflite0-b1', 'f16', 4, 40)):
        samples = np.load(golden_files.DATA / f'{name}.{dtype}.npy')[:1, :planes, :size, :size]
        yield f'{dtype}-real-{planes}', samples, dtype, []


def special_goldens():
    for dtype, (pattern, values) in SPECIALS.items():
        source = Inputs(f'special {dtype}')
        samples = as_dtype(source.maps((1, 4, 20, 20)), dtype).view(pattern)
        chosen = source.integers(0, 40, samples.shape) == 0
        samples[chosen] = np.array(values, pattern)[source.integers(0, len(values), chosen.sum())]
        yield f'{dtype}-special', samples, dtype, []


def other_goldens():
    source = Inputs('segments')
    yield 'u8-segments', as_dtype(source.maps((2, 5, 40, 40)), 'u8'), 'u8', ['--segment-bytes=4096']
    yield 'f32-segments', as_dtype(source.maps((3, 4, 16, 16)), 'f32'), 'f32', ['--segment-bytes=4096']
    for dtype, size in (('u8', 1), ('f32', 4)):
        noise = Inputs(f'noise {dtype}').integers(0, 256, (1, 2, 8, 8 * size)).astype('u1')
        yield f'{dtype}-noise', noise.view(f'u{size}'), dtype, []
    few = Inputs('few').integers(0, 3, (1, 2, 16, 24))
    yield 'u8-few', few.astype('u1'), 'u8', []
    yield 'u16-few', (few * 257).astype('<u2'), 'u16', []
    yield 'i16-counter', np.arange(200).reshape(1, 1, 10, 20).astype('<i2'), 'i16', []
    yield 'f32-counter', np.arange(200).reshape(1, 1, 10, 20).astype('<f4'), 'f32', []
    # Planes too small for a model, of samples that no narrower type has.
    near_one = 1 + Inputs('near one').integers(0, 1 << 16, (60, 1, 3, 5)) / (1 << 23)
    yield 'f32-small-planes', near_one.astype('<f4'), 'f32', ['--layout=nchw']
    copies = np.repeat(Inputs('copies').integers(-30000, 30000, (1, 1, 24, 24)), 6, 1)
    chosen = Inputs('changes').integers(0, 5, copies.shape) == 0
    copies[chosen] = Inputs('changed').integers(-30000, 30000, chosen.sum())
    yield 'i16-copies', copies.astype('<i2'), 'i16', []
    runs = Inputs('runs').integers(-30000, 30000, (1, 4, 24, 4)).repeat(6, 3)
    runs[:, :, ::2] = runs[:, :, 1::2]
    runs[:, :, 5, 7] = 1
    yield 'u16-runs', (runs + 32768).astype('<u2'), 'u16', []
    yield 'f16-one-sample', np.array([1.5], '<f2'), 'f16', []
    yield 'f32-empty', np.zeros((2, 0, 3), '<f4'), 'f32', []
    yield 'u8-empty', np.zeros((0,), 'u1'), 'u8', []
    yield 'u8-long-row', (np.arange(66000) // 300 % 200).astype('u1'), 'u8', []
    yield 'bf16-rank-8', as_dtype(source.maps((2, 6, 4, 5)), 'bf16').reshape(1, 2, 1, 1, 2, 3, 4, 5), 'bf16', []


def layout_goldens():
    """The same maps in the memory order of each layout, and flat."""
    maps = as_dtype(Inputs('layouts').maps((2, 16, 9, 10)), 'i16')
    for layout, samples in (('nhwc', maps.transpose(0, 2, 3, 1)), ('tokens', maps.reshape(2, 16, 90).transpose(0, 2, 1)),
                            ('heads', maps.reshape(2, 2, 8, 90).transpose(0, 1, 3, 2)), ('flat', maps)):
        yield f'i16-{layout}', np.ascontiguousarray(samples), 'i16', [f'--layout={layout}']
    segments = np.ascontiguousarray(as_dtype(Inputs('nhwc').maps((3, 5, 30, 20)), 'u8').transpose(0, 2, 3, 1))
    yield 'u8-nhwc-segments', segments, 'u8', ['--layout=nhwc', '--segment-bytes=4096']


def wide_goldens():
    """Types that the plane model does not know, of samples that do and that do not fit ones it knows."""
    maps = Inputs('wide').maps((1, 4, 16, 20))
    odd = maps * 0x100000007 + Inputs('odd').integers(0, 1 << 20, maps.shape)
    yield 'bool', (maps > 0).astype('u1'), 'bool', []
    bytes_of_floats = as_dtype(maps, 'i8')
    for dtype in ('f8e4m3', 'f8e5m2'):
        yield dtype, bytes_of_floats.view('u1') ^ np.where(bytes_of_floats < 0, 0x7f, 0).astype('u1'), dtype, []
    for dtype, kind in (('u32', '<u4'), ('i32', '<i4'), ('u64', '<u8'), ('i64', '<i8')):
        yield dtype, maps.astype(kind), dtype, []
        yield f'{dtype}-bytes', (maps % 200).astype(kind), dtype, []
    yield 'u64-words', odd.astype('<u8'), 'u64', []
    yield 'i64-rising', ((odd % 251).cumsum() + 2 ** 60).astype('<i8').reshape(maps.shape), 'i64', []
    yield 'f64', maps / 3, 'f64', []
    for dtype in ('f32', 'bf16', 'f16'):
        yield f'f64-{dtype}', narrowed(maps / 77777, dtype).astype('<f8'), 'f64', []
    yield 'f64-i32', maps.astype('<f8'), 'f64', []
    yield 'f32-bf16', narrowed(maps / 77777, 'bf16').astype('<f4'), 'f32', []
    pairs = np.stack([maps, maps[::, ::-1]], -1)
    yield 'c64', (pairs / 77777).astype('<f4').view('<c8')[..., 0], 'c64', []
    yield 'c128', (pairs / 77777).astype('<f4').astype('<f8').view('<c16')[..., 0], 'c128', []
    features = np.ascontiguousarray(pairs[..., 0].reshape(4, 320).T)
    yield 'c64-tokens', (features / 77777).astype('<f4').view('<c8'), 'c64', ['--layout=tokens']


def narrowed(values, dtype):
    """The values as binary32, rounded to what a narrower dtype has."""
    if dtype == 'bf16':
        return (values.astype('<f4').view('<u4') & 0xffff0000).view('<f4')
    return values.astype('<f2').astype('<f4') if dtype == 'f16' else values.astype('<f4')


def raw_goldens():
    """Name, samples, dtype and options of the goldens of raw samples."""
    for some in (mode_goldens, plane_goldens, margin_goldens, real_goldens, special_goldens, other_goldens, layout_goldens,
                 wide_goldens):
        for name, samples, dtype, options in some():
            yield name, samples, dtype, ['--level=9', *options]
    yield from lane_goldens()


def lane_goldens():
    """What the fast levels write."""
    for dtype in DTYPES:
        source = Inputs(f'lanes {dtype}')
        maps = source.maps((1, 16, 10, 25))
        maps = np.concatenate([maps, maps + source.integers(-9000, 9001, maps.shape)])
        maps = as_dtype(np.maximum(maps, -90000), dtype)  # not much that repeats: zstd is not to be the smaller
        for level, width in ((1, 25), (3, 25), (5, 25), (7, 24)):
            yield f'{dtype}-level-{level}', np.ascontiguousarray(maps[..., :width]), dtype, [f'--level={level}']
    for name, samples, dtype, options in [*plane_goldens(29, 43, ()), *margin_goldens(), *special_goldens()]:
        yield f'{name}-level-5', samples, dtype, ['--level=5', *options]
    large = Inputs('lanes large').maps((1, 8, 26, 30))
    yield 'u8-large-level-6', as_dtype(large, 'u8'), 'u8', ['--level=6']
    yield 'f32-bf16-level-5', narrowed(np.maximum(large, 0) / 77777, 'bf16').astype('<f4'), 'f32', ['--level=5']
    halves = np.maximum(large, 0) / 77777
    yield 'f32-large-level-4', halves.astype('<f4'), 'f32', ['--level=4']
    clipped = np.clip(large / 77777, 0, 0.7)
    for level in (1, 5):
        yield f'f32-clipped-level-{level}', clipped.astype('<f4'), 'f32', [f'--level={level}']
    yield 'f16-clipped-level-2', clipped.astype('<f2'), 'f16', ['--level=2']
    blocks = as_dtype(Inputs('lanes upsampled').maps((1, 42, 24, 24)), 'u8')
    for p, end, scale in ((2, 4, 2), (4, 12, 4), (12, 42, 8)):  # enough planes of each scale to pay for a model
        blocks[:, p:end] = blocks[:, p:end, ::scale, ::scale].repeat(scale, 2).repeat(scale, 3)
    yield 'u8-upsampled-level-3', blocks, 'u8', ['--level=3']


def npy_goldens():
    """Name, content and options of the goldens of .npy files."""
    samples = as_dtype(Inputs('npy').maps((1, 2, 8, 10)), 'f16')
    shape = '(1, 2, 8, 10)'
    canonical = npy_header(f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}{' ' * 20}")
    other = npy_header(f"{{'shape': {shape}, 'fortran_order': False, 'descr': '<f2'}}")
    yield 'npy-canonical', canonical + samples.tobytes(), []
    yield 'npy-other-header', other + samples.tobytes(), []
    yield 'npy-suffix', canonical + samples.tobytes() + b'end', []
    yield 'npy-long-suffix', canonical + samples.tobytes() + b'and so on, ' * 20, []
    yield 'npy-scalar', npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (), }") + b'\0\0\x80\x3f', []


def file_goldens():
    """Name, content and options of the goldens of other files."""
    for name in ('some.npz', 'some.safetensors', 'dict.pt', 'views.pt'):
        yield name, (golden_files.DATA / 'files' / name).read_bytes(), []
    yield 'text', b'What is no tensor is kept as it is. ' * 9, []
    yield 'empty-file', b'', []


def npy_header(text):
    text += ' ' * (64 - (10 + len(text) + 1) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text.encode()


def write_goldens(dcac, scratch):
    golden_files.GOLDENS.mkdir(exist_ok=True)
    for old in golden_files.GOLDENS.glob('*.dcac'):
        old.unlink()
    rows, found = [], set()

    def add(name, content, options):
        path = scratch / name
        path.write_bytes(content)
        archive = golden_files.compress(dcac, path, *options)
        (golden_files.GOLDENS / f'{name}.dcac').write_bytes(archive)
        rows.append([f'{name}.dcac', len(content), golden_files.sha256(content)])
        found.update(golden_files.features_of(archive))

    for name, samples, dtype, options in raw_goldens():
        shape = ','.join(str(extent) for extent in samples.shape)
        add(name, samples.tobytes(), [f'--dtype={dtype}', f'--shape={shape}', *options])
    for name, content, options in [*npy_goldens(), *file_goldens()]:
        add(name, content, options)
    golden_files.write_table(golden_files.MANIFEST, golden_files.MANIFEST_FIELDS, rows)
    return found


def write_sizes(dcac):
    paths = sorted(golden_files.DATA.glob('*.npy'))
    rows = [[path.name, level, len(golden_files.compress_data(dcac, path, level))]
            for path in paths for level in golden_files.LEVELS]
    golden_files.write_table(golden_files.SIZES, golden_files.SIZES_FIELDS, rows)


# ---- The frame in hex -----------------------------------------------------------------------------------------------

def example_samples():
    """A rising plane with some samples that are larger by 1, a constant one, and the first again."""
    y, x = np.mgrid[0:8, 0:16]
    rising = 3 * x + 2 * y + ((x == 9) & (y > 3))
    return np.array([[rising, 0 * x + 7, rising]]).astype('u1')


class Annotator:
    """Lines `offset: bytes  # meaning` of a frame."""

    def __init__(self, data):
        self.data, self.position, self.lines = data, 0, []

    def add(self, count, meaning):
        """The next bytes, sixteen a line."""
        part = self.data[self.position:self.position + count]
        for i in range(0, count, 16):
            text = f'{self.position + i:3}: {part[i:i + 16].hex(" ").upper()}'
            self.lines.append(f'{text:<54}# {meaning if i == 0 else "..."}')
        self.position += count

    def varint(self, meaning):
        reader = reference_decoder.Reader(self.data[self.position:])
        value = reader.varint()
        self.add(reader.position, meaning.format(value))
        return value

    def note(self, text):
        self.lines.append(f'{"":54}# {text}')


def frame_lines(frame):
    reader = reference_decoder.Reader(frame)
    header = reference_decoder.Header(reader, golden_files.CHECKSUMS)
    segment, = reference_decoder.read_segments(reader, header, golden_files.CHECKSUMS)
    lines = Annotator(frame)
    for count, meaning in ((3, 'magic'), (1, 'version 1'), (1, 'dtype u8'), (1, 'layout NCHW'), (1, 'flags: none'),
                           (1, 'rank 4')):
        lines.add(count, meaning)
    for name in ('N', 'C', 'H', 'W'):
        lines.varint(f'{name} = {{}}')
    for name in ('item', 'plane', 'row'):
        lines.varint(f'{name} step {{}}')
    lines.add(4, 'checksum of the header')
    lines.varint('segment 0: size of the body, {} bytes')
    body_lines(lines, header, segment)
    lines.add(8, 'checksum of the body, seed 0')
    lines.varint('index: segment 0 has {} bytes')
    lines.add(16, 'XXH3-128 of the samples')
    lines.add(4, 'size of the index')
    lines.add(4, 'checksum of index, digest and index size')
    assert lines.position == len(frame)
    return lines.lines


def body_lines(lines, header, segment):
    body = reference_decoder.Reader(segment.body)
    if body.byte() != 2:
        sys.exit('make_goldens: the example of the document is no model segment, another one is needed')
    content = reference_decoder.read_side_content(body, header.dtype, segment.box)
    model, = content.models
    lines.add(1, 'method: model')
    lines.add(1, 'layout: waves')
    side_size = lines.varint('side information, {} bytes:')
    lines.add(side_size, 'range coder')
    for text in content_notes(content.planes, model):
        lines.note(text)
    entropy_size = lines.varint('plane set of normal planes: {} bytes of entropy-coded data')
    for i in range(model.lanes):
        lines.add(4, f'state {i}')
    if entropy_size > 4 * model.lanes:
        lines.add(entropy_size - 4 * model.lanes, 'words')


def content_notes(planes, model):
    """What the side information of the example says."""
    kinds = {0: 'normal', 2: 'constant {value}', 3: 'duplicate of {source}'}
    yield 'planes: ' + ', '.join(kinds[plane.kind].format(**vars(plane)) for plane in planes)
    yield f'head: skew {model.skew}, {model.lanes} states, {model.table_bits} table bits'
    yield f'codes {model.low_code} .. {model.high_code}, special tokens: {", ".join(model.specials) or "none"}'
    yield f'means: prior {model.mean_prior}, of errors {model.error_prior}'
    for i, weights in enumerate(model.spatial):
        yield f'class {i}: taps {trimmed(weights.taps, i)}, unit {weights.unit}, mean {weights.mean}'
    yield f'terms: {sum(len(terms) for terms in model.terms)}'
    for i, weights in enumerate(model.sigma):
        yield (f'sigma {i}: taps {trimmed(weights.taps, i)}, spread {weights.spread}, '
               f'running {weights.running}, unit {weights.unit}, recent {weights.recent}')
    yield f'thresholds: {model.position_thresholds}, {model.activity_thresholds}'
    yield f'clusters of the cells: {model.cell_cluster.tolist()}'
    yield f'fixed: {model.cell_fixed.tolist()}, centers of the rows: {model.centers.tolist()}'
    for i, table in enumerate(model.frequencies):
        yield f'frequencies {i}: {table}'


def trimmed(taps, sample_class):
    return [taps[i] for i in reference_decoder.CLASS_TAPS[sample_class]]


def write_document(dcac, scratch):
    samples = example_samples()
    path = scratch / 'example'
    path.write_bytes(samples.tobytes())
    shape = ','.join(str(extent) for extent in samples.shape)
    frame = golden_files.frame_of(golden_files.compress(dcac, path, '--level=9', '--dtype=u8', f'--shape={shape}'))
    blocks = {'frame': frame_lines(frame),
              'samples': [' '.join(f'{v:2}' for v in row) for row in samples.reshape(-1, samples.shape[-1]).tolist()]}
    text = golden_files.DOCUMENT.read_text()
    for language, lines in blocks.items():
        match = golden_files.block_of(language, text)
        text = text[:match.start(1)] + ''.join(line + '\n' for line in lines) + text[match.end(1):]
    golden_files.DOCUMENT.write_text(text)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    dcac = sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        found = write_goldens(dcac, pathlib.Path(scratch))
        write_document(dcac, pathlib.Path(scratch))
    write_sizes(dcac)
    missing = golden_files.FEATURES - found
    if missing:
        sys.exit(f'make_goldens: written, but no golden shows: {", ".join(sorted(missing))}')


if __name__ == '__main__':
    main()
