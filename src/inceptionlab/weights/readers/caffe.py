"""Caffe's .caffemodel, read through protobuf by the few fields of caffe.proto that hold weights."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inceptionlab.errors import DataError

LARGEST = 2 << 30
"""Bytes; protobuf cannot hold more."""

# Message: (field, number, type), types being those of caffe.proto; "*" repeats, "+" repeats packed.
_FIELDS = {
    "BlobShape": (("dim", 1, "int64+"),),
    "BlobProto": (
        ("num", 1, "int32"), ("channels", 2, "int32"), ("height", 3, "int32"), ("width", 4, "int32"),
        ("data", 5, "float+"), ("shape", 7, "BlobShape"), ("double_data", 8, "double+"),
    ),
    "LayerParameter": (("name", 1, "string"), ("blobs", 7, "BlobProto*")),
    "V1LayerParameter": (("name", 4, "string"), ("blobs", 6, "BlobProto*")),
    "NetParameter": (("layers", 2, "V1LayerParameter*"), ("layer", 100, "LayerParameter*")),
}  # fmt: skip


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .caffemodel as `layer.weight` and `layer.bias`. Raises `DataError` where sizes disagree."""
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes; a .caffemodel has at most {LARGEST:,}")
    net = _net_parameter()()
    net.ParseFromString(path.read_bytes())
    state: dict[str, Tensor] = {}
    for layer in (*net.layer, *net.layers):
        for leaf, blob in zip(("weight", "bias"), layer.blobs, strict=False):
            state[f"{layer.name}.{leaf}"] = _tensor(f"{path}: {layer.name}", blob)
    if not state:
        raise DataError(f"{path} holds no layers with weights; is it a .caffemodel?")
    return state


def _tensor(where: str, blob: Any) -> Tensor:
    """The blob; the four sizes of older files lose their leading ones."""
    sizes = list(blob.shape.dim) or [blob.num, blob.channels, blob.height, blob.width]
    if not blob.HasField("shape"):
        while len(sizes) > 1 and sizes[0] == 1:
            sizes.pop(0)
    values = blob.data or blob.double_data
    if min(sizes) < 1 or prod(sizes) != len(values):
        raise DataError(f"{where} says {'x'.join(map(str, sizes))} and holds {len(values):,} numbers")
    return torch.tensor(values, dtype=torch.float32).view(sizes)


@cache
def _net_parameter() -> type[Any]:
    """The class of NetParameter."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="inceptionlab/caffe.proto", package="caffe", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        entry = file.message_type.add(name=message)
        for name, number, text in fields:
            kind = text.rstrip("*+")
            field = entry.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if text[-1] in "*+" else kinds.LABEL_OPTIONAL
            field.type = kinds.TYPE_MESSAGE if kind in _FIELDS else kinds.Type.Value(f"TYPE_{kind.upper()}")
            if kind in _FIELDS:
                field.type_name = f".caffe.{kind}"
            field.options.packed = text.endswith("+")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))
