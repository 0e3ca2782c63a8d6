"""Filters by Fourier transform, complex layers, splines, and sampling of images."""

import numpy as np

from .case import Case, with_mistake
from .words import HALF, MISSED, REPEATED, REVERSED, SHIFTED, SIGN, TRANSPOSED, missed, near, scaled

CONJUGATE = ("conj", "imaginary", "complex", "phase")


def circular_filter(x, w):
    """Convolve by Fourier transform, around the end."""
    return np.fft.ifft(np.fft.fft(x) * np.fft.fft(w)).real


def circular_filter_vjp(g, x, w, mistake=""):
    fg, fx, fw = np.fft.fft(g), np.fft.fft(x), np.fft.fft(w)
    dx = np.fft.ifft(fg * (fw if mistake == "conjugate" else np.conj(fw))).real
    dw = np.fft.ifft(fg * np.conj(fx)).real
    if mistake == "length":
        dw = dw / len(x)
    elif mistake == "reversed":
        dw = dw[::-1]
    return dx, dw


def power_spectrum(x, window):
    """The one-sided power of a windowed frame."""
    return np.abs(np.fft.rfft(x * window)) ** 2


def power_spectrum_vjp(g, x, window, mistake=""):
    f = np.fft.rfft(x * window)
    d = 2 * g * f
    full = np.zeros(len(x), dtype=complex)
    full[: len(d)] = d
    y = np.fft.fft(np.conj(full)).real
    if mistake == "irfft":
        y = np.fft.irfft(d, len(x))
    elif mistake == "two":
        y = y / 2
    if mistake == "window":
        return y, y * x
    return y * window, y * x


def complex_dense(z, W):
    """A layer of complex numbers whose result is |W·z|²."""
    return np.abs(z @ W) ** 2


def complex_dense_vjp(g, z, W, mistake=""):
    y = z @ W
    d = 2 * g * y
    if mistake == "wirtinger":
        d = d / 2
    if mistake == "plain transpose":
        return d @ W.T, z.T @ d
    if mistake == "conjugated":
        return np.conj(d @ W.conj().T), np.conj(z.conj().T @ d)
    return d @ W.conj().T, z.conj().T @ d


def complex_product(a, b):
    """A product of numbers as pairs of real and imaginary part, on the last axis."""
    return np.stack(
        [
            a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1],
            a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0],
        ],
        axis=-1,
    )


def conjugate(a):
    return np.stack([a[..., 0], -a[..., 1]], axis=-1)


def complex_product_vjp(g, a, b):
    return complex_product(g, conjugate(b)), complex_product(g, conjugate(a))


def modulus_relu(z, bias):
    """modReLU of Arjovsky et al. 2016: the modulus is moved by a bias, the phase is kept."""
    r = np.abs(z)
    return np.maximum(r + bias, 0) * z / r


def modulus_relu_vjp(g, z, bias, mistake=""):
    r = np.abs(z)
    u = z / r
    on = r + bias > 0
    along = np.real(np.conj(u) * g)
    across = g - along * u
    dz = on * (along * u + (r + bias) / r * across)
    if mistake == "phase":
        dz = on * along * u
    elif mistake == "scale only":
        dz = on * (r + bias) / r * g
    dbias = np.sum(on * along, axis=0)
    if mistake == "mask":
        dbias = np.sum(along, axis=0)
    return dz, dbias


def spline(y, grid):
    """Interpolate with Catmull-Rom's cubic through y at 0, 1, 2, …; inside only."""
    i, t = np.floor(grid).astype(int), grid - np.floor(grid)
    return sum(w * y[i + k] for k, w in enumerate(spline_weights(t), start=-1))


def spline_weights(t):
    return (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )


def spline_slopes(t):
    return (
        0.5 * (-1 + 4 * t - 3 * t**2),
        0.5 * (-10 * t + 9 * t**2),
        0.5 * (1 + 8 * t - 9 * t**2),
        0.5 * (-2 * t + 3 * t**2),
    )


def spline_vjp(g, y, grid, mistake=""):
    i, t = np.floor(grid).astype(int), grid - np.floor(grid)
    dy = np.zeros_like(y)
    shift = 0 if mistake == "shift" else -1
    for k, w in enumerate(spline_weights(t), start=shift):
        if mistake == "assign":
            dy[i + k] += g * w
        else:
            np.add.at(dy, i + k, g * w)
    slopes = spline_slopes(t)
    if mistake == "inner points":
        slopes = (0, -1, 1, 0)
    return dy, g * sum(s * y[i + k] for k, s in enumerate(slopes, start=-1))


def sample_image(image, rows, cols):
    """Bilinear sampling between pixels, as in spatial transformers."""
    i, j = np.floor(rows).astype(int), np.floor(cols).astype(int)
    a, b = rows - i, cols - j
    top = (1 - b) * image[i, j] + b * image[i, j + 1]
    bottom = (1 - b) * image[i + 1, j] + b * image[i + 1, j + 1]
    return (1 - a) * top + a * bottom


def sample_image_vjp(g, image, rows, cols, mistake=""):
    i, j = np.floor(rows).astype(int), np.floor(cols).astype(int)
    a, b = rows - i, cols - j
    d = np.zeros_like(image)
    if mistake == "assign":
        d[i, j] += g * (1 - a) * (1 - b)
    else:
        np.add.at(d, (i, j), g * (1 - a) * (1 - b))
    np.add.at(d, (i, j + 1), g * (1 - a) * b)
    np.add.at(d, (i + 1, j), g * a * (1 - b))
    np.add.at(d, (i + 1, j + 1), g * a * b)
    drows = (1 - b) * (image[i + 1, j] - image[i, j]) + b * (image[i + 1, j + 1] - image[i, j + 1])
    dcols = (1 - a) * (image[i, j + 1] - image[i, j]) + a * (image[i + 1, j + 1] - image[i + 1, j])
    if mistake == "swapped":
        drows, dcols = dcols, drows
    elif mistake == "sign":
        drows = -drows
    return d, g * drows, g * dcols


def resample(x):
    """Upsample an image by repeating each pixel twice, then blur along rows by (1, 2, 1)/4."""
    y = np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)
    padded = np.pad(y, ((0, 0), (1, 1)), mode="edge")
    return (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4


def resample_vjp(g, x, mistake=""):
    padded = np.zeros((g.shape[0], g.shape[1] + 2))
    padded[:, :-2] += g / 4
    padded[:, 1:-1] += g / 2
    padded[:, 2:] += g / 4
    d = padded[:, 1:-1].copy()
    if mistake != "edges":
        d[:, 0] += padded[:, 0]
        d[:, -1] += padded[:, -1]
    n, m = x.shape
    blocks = d.reshape(n, 2, m, 2)
    if mistake == "mean":
        return (blocks.mean(axis=(1, 3)),)
    if mistake == "corner":
        return (d[::2, ::2],)
    return (blocks.sum(axis=(1, 3)),)


CASES = [
    Case(
        "circular filter by Fourier transform",
        "signals",
        circular_filter,
        circular_filter_vjp,
        {
            "the conjugate is forgotten": (
                with_mistake(circular_filter_vjp, "conjugate"),
                (*CONJUGATE, *REVERSED, *TRANSPOSED, "correlat", "adjoint"),
            ),
            "divided by the length once more": (
                with_mistake(circular_filter_vjp, "length"),
                (*scaled(r"(0\.08\d*|1/12)", "12"), "length"),
            ),
            "the filter's gradient is in reverse order": (
                with_mistake(circular_filter_vjp, "reversed"),
                REVERSED,
            ),
        },
        lambda rng: (rng.normal(size=12), rng.normal(size=12)),
    ),
    Case(
        "power spectrum of a frame",
        "signals",
        power_spectrum,
        power_spectrum_vjp,
        {
            "irfft as the transpose of rfft": (
                with_mistake(power_spectrum_vjp, "irfft"),
                (
                    "irfft",
                    "fft",
                    "length",
                    "one-sided",
                    "half",
                    *scaled(r"\d\S*", "10"),
                    "transpos",
                ),
            ),
            "the 2 of the square is forgotten": (with_mistake(power_spectrum_vjp, "two"), HALF),
            "the window is left out of the gradient of x": (
                with_mistake(power_spectrum_vjp, "window"),
                (*missed("window", "factor"), "divided by window", "window"),
            ),
        },
        lambda rng: (rng.normal(size=10), np.hanning(12)[1:-1]),
    ),
    Case(
        "complex dense layer with |·|²",
        "signals",
        complex_dense,
        complex_dense_vjp,
        {
            "the transpose without conjugation": (
                with_mistake(complex_dense_vjp, "plain transpose"),
                CONJUGATE,
            ),
            "Wirtinger's derivative, which is half of it": (
                with_mistake(complex_dense_vjp, "wirtinger"),
                (*HALF, "wirtinger"),
            ),
            "the conjugate of the gradient": (
                with_mistake(complex_dense_vjp, "conjugated"),
                CONJUGATE,
            ),
        },
        lambda rng: (
            rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),
            rng.normal(size=(4, 2)) + 1j * rng.normal(size=(4, 2)),
        ),
    ),
    Case(
        "product of complex numbers as pairs",
        "signals",
        complex_product,
        complex_product_vjp,
        {
            "the factor is not conjugated": (
                lambda g, a, b: (complex_product(g, b), complex_product(g, conjugate(a))),
                (*CONJUGATE, *SIGN, *TRANSPOSED),
            ),
            "real and imaginary part are exchanged in the gradient of b": (
                lambda g, a, b: (
                    complex_product(g, conjugate(b)),
                    complex_product(g, conjugate(a))[..., ::-1],
                ),
                ("swap", "exchang", "permut", "order", "roll", *REVERSED, *CONJUGATE),
            ),
            "part by part": (
                lambda g, a, b: (g * b, g * a),
                (*CONJUGATE, "element.?wise", *missed("cross", "term", "path"), "part"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 2)), rng.normal(size=(5, 2))),
    ),
    Case(
        "modReLU of complex numbers",
        "signals",
        modulus_relu,
        modulus_relu_vjp,
        {
            "the phase's gradient is forgotten": (
                with_mistake(modulus_relu_vjp, "phase"),
                (*missed("phase", "term", "path", "across", "angle", "imaginary"), "phase"),
            ),
            "the scale is treated as constant": (
                with_mistake(modulus_relu_vjp, "scale only"),
                (*missed("modulus", "abs", "path", "term", "norm", "scale"), "constant"),
            ),
            "the bias gets a gradient where the unit is off": (
                with_mistake(modulus_relu_vjp, "mask"),
                (
                    *missed("mask", "max", "condition", "branch", "relu"),
                    "mask",
                    "should be (0|zero)",
                ),
            ),
        },
        lambda rng: (
            rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3)),
            rng.normal(size=3) / 2 - 1.2,
        ),
    ),
    Case(
        "cubic interpolation",
        "signals",
        spline,
        spline_vjp,
        {
            "the four neighbours are one place too far right": (
                with_mistake(spline_vjp, "shift"),
                (*SHIFTED, "index"),
            ),
            "+= on repeated knots": (with_mistake(spline_vjp, "assign"), REPEATED),
            "the slope is that of the straight line": (
                with_mistake(spline_vjp, "inner points"),
                (
                    "linear",
                    "straight",
                    *missed("neighbour", "term", "cubic", "curv"),
                    "slope",
                    "cubic",
                ),
            ),
        },
        lambda rng: (rng.normal(size=9), rng.uniform(1, 6, size=9)),
    ),
    Case(
        "bilinear sampling of an image",
        "signals",
        sample_image,
        sample_image_vjp,
        {
            "+= on pixels that are hit several times": (
                with_mistake(sample_image_vjp, "assign"),
                REPEATED,
            ),
            "the gradients of rows and columns are swapped": (
                with_mistake(sample_image_vjp, "swapped"),
                ("swap", "exchang", "order", "other (input|argument)", "belongs to", "mixed"),
            ),
            "the sign of the rows' gradient": (with_mistake(sample_image_vjp, "sign"), SIGN),
        },
        lambda rng: (
            rng.normal(size=(4, 5)),
            rng.uniform(0, 2.9, size=10),
            rng.uniform(0, 3.9, size=10),
        ),
    ),
    Case(
        "upsampling and blur",
        "signals",
        resample,
        resample_vjp,
        {
            "the repeated edge is cut off": (
                with_mistake(resample_vjp, "edges"),
                (
                    *missed("edge", "pad", "border", "bound", "first", "last"),
                    "edge",
                    "border",
                    "pad",
                ),
            ),
            "the mean of the repeated pixels": (
                with_mistake(resample_vjp, "mean"),
                ("mean where a sum", "averag", "mean instead", *scaled(r"(0\.250*|1/4)", "4")),
            ),
            "one of the four repeated pixels": (
                with_mistake(resample_vjp, "corner"),
                (
                    *missed("repeat", "sum", "copies", "pixel", "path", "term"),
                    "repeat",
                    f"{MISSED}.*entr",
                    *near("one|first", "of (the )?(four|4|copies|repeat)"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(3, 4)),),
    ),
]
