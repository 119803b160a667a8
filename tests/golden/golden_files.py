"""Where the golden files are, and how they are read and written: for make_goldens.py and golden_test.py."""
import csv
import hashlib
import pathlib
import re
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests'))

import reference_decoder  # noqa: E402

DATA = ROOT / 'tests/data'
DOCUMENT = ROOT / 'docs/format.md'
GOLDENS = ROOT / 'tests/golden/v1'
MANIFEST = GOLDENS / 'manifest.csv'
MANIFEST_FIELDS = ['archive', 'bytes', 'sha256']  # of the restored file
SIZES = ROOT / 'tests/golden/sizes.csv'
SIZES_FIELDS = ['file', 'level', 'archive_bytes']
LEVELS = (1, 5, 9)
CHECKSUMS = reference_decoder.Checksums()


def read_table(path, fields):
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert list(row) == fields, f'{path}: columns {list(row)}'
    return rows


def write_table(path, fields, rows):
    with open(path, 'w', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerows([fields, *rows])


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def compress(dcac, path, *options):
    """The archive of a file."""
    return subprocess.run([dcac, 'compress', '--stdout', '--quiet', *options, path], check=True,
                          stdout=subprocess.PIPE).stdout


def decompress(dcac, path):
    return subprocess.run([dcac, 'decompress', '--stdout', '--quiet', path], check=True, stdout=subprocess.PIPE).stdout


def compress_data(dcac, path, level):
    """The archive of a file of tests/data."""
    dtype = ['--dtype=bf16'] if path.name.endswith('.bf16.npy') else []
    return compress(dcac, path, f'--level={level}', *dtype)


def frame_of(archive):
    """The only frame of an archive."""
    frame, = reference_decoder.frames_of_archive(archive, CHECKSUMS)[2]
    return frame


def archive_of(frame):
    """An archive of raw samples around a frame."""
    head = b'DCAR' + bytes([1, 1, 1])
    return head + struct.pack('<I', reference_decoder.xxh3_64(head) & 0xffffffff) + frame


def block_of(language, text):
    """The match of the document's only fenced block of a language; group 1 is its content."""
    matches = list(re.finditer(rf'^```{language}\n(.*?)^```$', text, re.MULTILINE | re.DOTALL))
    assert len(matches) == 1, f'{len(matches)} blocks {language}'
    return matches[0]


def features_of(archive):
    """What of the format an archive uses, as a set of words."""
    head, _, frames = reference_decoder.frames_of_archive(archive, CHECKSUMS)
    found = {f'archive kind {head.kind}', f'archive flags {head.form}'}
    found |= {f'piece kind {piece.kind}' for piece in head.pieces}
    for frame in frames:
        found |= frame_features(frame)
    return found


def frame_features(frame):
    reader = reference_decoder.Reader(frame)
    header = reference_decoder.Header(reader, CHECKSUMS)
    segments = reference_decoder.read_segments(reader, header, CHECKSUMS)
    found = {header.dtype.name}
    found |= {'empty'} if header.is_empty else set()
    found |= {'segments'} if len(segments) > 1 else set()
    found |= {f'layout {header.layout}'}
    for segment in segments:
        found |= body_features(segment.body, header.dtype.component, segment.box)
    return found


def body_features(body, dtype, box):
    reader = reference_decoder.Reader(body)
    method = reader.byte()
    if method == reference_decoder.STORED:
        return {'stored'}
    if method == reference_decoder.ZSTD:
        return {f'zstd stride {reader.byte()}'}
    if method == reference_decoder.RECODED:
        target = reference_decoder.DTYPES[reader.byte()]
        return {f'{dtype.name} as {target.name}'} | body_features(body[reader.position:], target, box)
    if method == reference_decoder.WORDS:
        found = {f'words of form {reader.byte()}'}
        found |= body_features(reader.take(reader.varint()), reference_decoder.I32, box)
        return found | body_features(body[reader.position:], reference_decoder.U32, box)
    if method == reference_decoder.REPEATS:
        rows, columns, left = reference_decoder.read_repeats(reader, box)
        found = {'repeated rows'} if len(rows) < len(box.rows) else set()
        found |= {'repeated columns'} if len(columns) < box.axes.w else set()
        return found | body_features(body[reader.position:], dtype, left)
    layout = body[reader.position]
    if layout == reference_decoder.ROWS:
        return {'rows'}
    content = reference_decoder.read_side_content(reader, dtype, box)
    if layout == reference_decoder.LANES:
        found = {f'plane kind {plane.kind}' for plane in content.planes}
        return {f'lanes: {feature}' for feature in found.union(*map(lane_features, content.models))}
    found = {f'plane kind {plane.kind}' for plane in content.planes}
    for model in content.models:
        found |= model_features(model)
    return found


def lane_features(model):
    found = {f'set of {model.dtype.name}', *model.specials, 'bytes' if model.is_bytes else f'{model.taps} taps'}
    if model.coarse:
        found = {f'coarse set of {model.coarse.dtype.name}'} | ({'exact coarse code'} if model.coarse.exact else set())
    found |= {'interlaced'} if model.interlaced else set()
    found |= {'fillers'} if model.interlaced and model.width % 2 else set()
    found |= {'groups'} if model.group < model.planes else set()
    found |= {'sent means'} if model.sent_means is not None else set()
    found |= {'fixed center'} if model.cell_fixed.any() else set()
    found |= {'shift'} if model.shift else set()
    found |= {'exact code'} if model.exact else set()
    for plane in model.terms:
        found |= {'reference'} if plane.references else set()
        found |= {'unit'} if plane.unit else set()
        found |= {'own taps'} if plane.has_own else set()
    return found


def model_features(model):
    found = {f'set of {model.dtype.name}', *model.specials}
    found |= {f'term {term.kind}' for terms in model.terms for term in terms}
    found |= {'sent means'} if model.sent_means is not None else set()
    found |= {'fixed center'} if model.cell_fixed.any() else set()
    item_before = {(a, b) for b, p in enumerate(model.numbers) for a, q in enumerate(model.numbers)
                   if p - q == model.channels}
    pairs = {(reference, p) for p, references in enumerate(model.references) for reference in references}
    found |= {'reference to the item before'} if pairs & item_before else set()
    return found


# All that the goldens together show.
FEATURES = ({dtype.name for dtype in reference_decoder.DTYPES.values()}
            | {'empty', 'segments', 'stored', 'zstd stride 1', 'zstd stride 2', 'zstd stride 4', 'fixed center',
               'sent means', 'reference to the item before', 'mode', 'west', 'north', 'reference', 'escape', 'rows',
               'words of form 0', 'words of form 1', 'repeated rows', 'repeated columns', 'bool as u8', 'f8e4m3 as i8',
               'f8e5m2 as i8', 'u32 as i32', 'i64 as i32', 'u64 as u8', 'f64 as f32', 'f64 as bf16', 'f64 as f16', 'f64 as i32', 'f32 as bf16'}
            | {f'archive kind {kind}' for kind in range(1, 7)} | {f'archive flags {flags}' for flags in range(3)}
            | {f'layout {layout}' for layout in range(1, 6)} | {f'piece kind {kind}' for kind in range(4)}
            | {f'plane kind {kind}' for kind in range(7)} | {f'term {kind}' for kind in range(5)}
            | {f'set of {dtype}' for dtype in ('u8', 'i8', 'u16', 'i16', 'i32', 'f16', 'bf16', 'f32')}
            | {f'lanes: set of {dtype}' for dtype in ('u8', 'i8', 'u16', 'i16', 'f16', 'bf16', 'f32')}
            | {f'lanes: coarse set of {dtype}' for dtype in ('f16', 'bf16', 'f32')}
            | {f'lanes: plane kind {kind}' for kind in (0, 2, 3, 4, 5, 6)}
            | {f'lanes: {feature}' for feature in (
                'bytes', 'mode', 'escape', '3 taps', '6 taps', 'interlaced', 'fillers', 'groups', 'sent means',
                'fixed center', 'shift', 'exact code', 'exact coarse code', 'reference', 'unit', 'own taps')})
