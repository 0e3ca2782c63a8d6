"""Calls for comparing libraries: functions that this one does not record, and plain forms.

They are not among the calls that the tests of the table make.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import FLAGS, INTS, Call, M, P, S, V, X

FURTHER: dict[Any, tuple[Call, ...]] = {
    np.astype: (Call(M, np.float64),),
    np.array: (Call(M), Call([S, S])),
    np.asarray: (Call(M),),
    np.asanyarray: (Call(M),),
    np.asarray_chkfinite: (Call(M),),
    np.ascontiguousarray: (Call(M),),
    np.asfortranarray: (Call(M),),
    np.asmatrix: (Call(M),),
    np.require: (Call(M),),
    np.full: (Call((2, 3), S), Call(4, V)),
    np.fromiter: (Call([S, S], float),),
    np.bmat: (Call([[M, M]]),),
    np.kaiser: (Call(5, S),),
    np.linspace: (Call(0.5, S, 5), Call(V, 2.0, 3)),
    np.arange: (Call(S, 3.0),),
    np.fft.fftfreq: (Call(4, S),),
    np.fft.rfftfreq: (Call(4, S),),
    np.fromfunction: (Call(lambda i: i * 2.0, (3,)),),
    np.histogram: (Call(P, bins=3, range=(0.0, 1.0), weights=M), Call(P, bins=3)),
    np.sort: (Call(V),),
    np.compress: (Call(np.array([True, False, True]), M, 0),),
    np.diagonal: (Call(X, 0, -1, -2),),
    np.polyfit: (Call(np.arange(1.0, 6.0), np.append(V, 0.5), 1),),
    np.poly: (Call(V),),
    np.histogram2d: (Call(V, V, 2, weights=V),),
    np.histogramdd: (Call(M, 2, weights=M[:, 0]),),
    np.histogram_bin_edges: (Call(P, 3),),
    np.bincount: (Call(INTS[0], V),),
    np.unique: (Call(M), Call(M, return_index=True)),
    np.unique_all: (Call(M),),
    np.unique_counts: (Call(M),),
    np.unique_inverse: (Call(M),),
    np.unique_values: (Call(M),),
    np.union1d: (Call(V, M),),
    np.intersect1d: (Call(V, V),),
    np.setdiff1d: (Call(V, M),),
    np.setxor1d: (Call(V, M),),
    np.trim_zeros: (Call(V),),
    np.extract: (Call(FLAGS, M),),
}
