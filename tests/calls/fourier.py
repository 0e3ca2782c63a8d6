"""Calls of the functions of `numpy.fft`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import INTS, Call, M, V, X
from .products import Z

R = np.asfortranarray(X)
ALONG = (
    Call(V), Call(V, 3), Call(V, 7), Call(M, axis=0), Call(M, 5, 0, "ortho"), Call(X, axis=1),
    Call(X, n=4, axis=-2, norm="forward"), Call(M, norm="backward"), Call(R[::-1], 2),
    Call(M.astype(np.float32)), Call(INTS), Call(V[:1], 1),
)  # fmt: skip
SPECTRAL = (
    Call(Z), Call(Z, 5), Call(Z, 6, 0, norm="ortho"), Call(Z, 3, norm="forward"), Call(Z[:, :3]),
    Call(Z.astype(np.complex64)),
)  # fmt: skip
NEEDING_TWO = tuple(call for call in ALONG if call.args[0].shape != (1,))
OVER = (
    Call(X, axes=(1, 2)), Call(X, (3, 4), (0, 2)), Call(X, s=(2, 5), axes=(-1, 0), norm="ortho"),
    Call(M, norm="forward"), Call(M, (3, -1), (0, 1)), Call(X, axes=(2,)), Call(R, (4,), (-3,)),
)  # fmt: skip
SPECTRAL_OVER = (Call(Z), Call(Z, (2, 5), (0, 1)), Call(Z, axes=(1, 0), norm="ortho"))
ALL_AXES = (Call(X), Call(V))
TWO = (
    Call(M), Call(X), Call(X, (2, 3)), Call(X, s=(4, 5), axes=(0, 1)), Call(X, norm="ortho"),
)  # fmt: skip
SHIFTS = (
    Call(V), Call(V[:3]), Call(X), Call(X, 1), Call(X, (0, -1)), Call(X, axes=[1]), Call(INTS),
    Call(V[:0]), Call(V[:1]), Call(Z),
)  # fmt: skip

CALLS: dict[Any, tuple[Call, ...]] = {
    np.fft.fft: ALONG + SPECTRAL,
    np.fft.ifft: ALONG + SPECTRAL,
    np.fft.rfft: ALONG,
    np.fft.irfft: NEEDING_TWO + SPECTRAL + (Call(V[:1], 1), Call(Z, 7)),
    np.fft.hfft: NEEDING_TWO + SPECTRAL + (Call(V[:1], 1), Call(Z, 7)),
    np.fft.ihfft: ALONG,
    np.fft.fftn: OVER + SPECTRAL_OVER + ALL_AXES,
    np.fft.ifftn: OVER + SPECTRAL_OVER + ALL_AXES,
    np.fft.rfftn: OVER + ALL_AXES,
    np.fft.irfftn: OVER + SPECTRAL_OVER + ALL_AXES,
    np.fft.fft2: (*TWO, Call(Z)),
    np.fft.ifft2: (*TWO, Call(Z)),
    np.fft.rfft2: TWO,
    np.fft.irfft2: (*TWO, Call(Z)),
    np.fft.fftshift: SHIFTS,
    np.fft.ifftshift: SHIFTS,
}
