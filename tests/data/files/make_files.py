#!/usr/bin/env python3
"""make_files.py

Writes the small files of this folder: what PyTorch, NumPy and safetensors write for tensors and for things around them.
They are kept because PyTorch is no dependency of the tests; made with PyTorch 2.15.0 and NumPy 2.4.6 from PyPI.
"""
import collections
import json
import pathlib
import struct

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).resolve().parent


def maps(*shape):
    """Smooth values with zeros, as after ReLU."""
    values = torch.nn.functional.avg_pool2d(torch.randn(1, *shape), 5, 1, 2)[0] * 4
    return torch.relu(values)


def torch_files():
    state = collections.OrderedDict(weight=torch.randn(4, 3, 3, 3), bias=torch.zeros(4))
    shared = maps(2, 12, 10)
    yield 'tensor.pt', maps(3, 16, 12)
    layers = {'layer1': state, 'layer2': [torch.arange(20), (torch.ones(3, dtype=torch.bool), 'text')]}
    yield 'dict.pt', {'model': layers, 'step': 3, 'rate': 0.5, 'sizes': torch.Size([1, 2]), 'big': 1 << 70,
                      'nothing': None}
    yield 'bf16.pt', maps(2, 16, 12).to(torch.bfloat16)
    yield 'views.pt', {'every_second': maps(2, 16, 12)[:, ::2], 'channels_last': maps(4, 8, 6).permute(1, 2, 0),
                       'first': shared[0], 'all': shared, 'scalar': torch.tensor(1.5), 'empty': torch.zeros(0, 3)}
    yield 'state_dict.pth', torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    yield 'parameter.pt', torch.nn.Parameter(torch.randn(8, 8))
    types = ('float8_e4m3fn', 'float8_e5m2', 'float16', 'float64', 'uint16', 'uint32', 'int16', 'complex64', 'bool')
    yield 'types.pt', [torch.arange(24).to(getattr(torch, name)) for name in types]


def write_safetensors(path, tensors, metadata):
    """The file that the package safetensors would write, with a hole before the last tensor."""
    header, data = {'__metadata__': metadata}, b''
    for name, (dtype, array) in tensors.items():
        if name == list(tensors)[-1]:
            data += b'hole'
        header[name] = {'dtype': dtype, 'shape': list(array.shape),
                        'data_offsets': [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + data)


def main():
    torch.manual_seed(1)
    for name, value in torch_files():
        torch.save(value, FOLDER / name)
    features = maps(3, 16, 12).numpy()
    upper_half = (features.view('<u4') >> 16).astype('<u2')
    write_safetensors(FOLDER / 'some.safetensors', {'features': ('F32', features), 'half': ('BF16', upper_half),
                                                    'ids': ('I64', np.arange(9)), 'odd': ('F4', np.zeros(5, 'u1'))},
                      {'format': 'pt', 'note': 'tensors of a test'})
    arrays = {'features': features, 'ids': np.arange(9), 'fortran': np.asfortranarray(features[0]),
              'names': np.array(['a', 'bc']), 'big_endian': np.arange(4, dtype='>i4')}
    np.savez(FOLDER / 'some.npz', **arrays)
    np.savez_compressed(FOLDER / 'compressed.npz', features=features, ids=np.arange(9))


if __name__ == '__main__':
    main()
