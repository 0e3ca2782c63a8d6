"""Linear algebra: solves, determinants, factors, eigenvalues, and what is made of them."""

import math

import numpy as np

from .case import Case, with_mistake
from .words import HALF, SIGN, TRANSPOSED, TWICE, missed, near, scaled

ONE_TRIANGLE = ("symmetr", "triang", "triu", "tril", "off-diagonal", "diagonal", "a lower", "lower")


def solve(A, b):
    return np.linalg.solve(A, b)


def solve_vjp(g, A, b, mistake=""):
    db = np.linalg.solve(A if mistake == "transpose" else A.T, g)
    x = np.linalg.solve(A, b)
    dA = -np.outer(x, db) if mistake == "order" else -np.outer(db, x)
    return (-dA if mistake == "sign" else dA), db


def inverse_vjp(g, A, mistake=""):
    inv = np.linalg.inv(A)
    if mistake == "transpose":
        return (-inv @ g @ inv,)
    if mistake == "sign":
        return (inv.T @ g @ inv.T,)
    if mistake == "one factor":
        return (-inv.T @ g,)
    return (-inv.T @ g @ inv.T,)


def log_determinant(A):
    """Of a symmetric positive definite matrix of which only the lower triangle is read."""
    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(A))))


def log_determinant_grad(A, mistake=""):
    inv = np.linalg.inv(np.tril(A) + np.tril(A, -1).T)
    if mistake == "full":
        return inv
    if mistake == "half":
        return np.tril(inv)
    if mistake == "double diagonal":
        return 2 * np.tril(inv)
    return 2 * np.tril(inv) - np.diag(np.diag(inv))


def gaussian_log_likelihood(x, mean, cov):
    """Of rows under N(mean, cov); the covariance is used as symmetric, (C + Cᵀ)/2."""
    cov = (cov + cov.T) / 2
    d = x - mean
    n, k = x.shape
    quad = np.sum(d * np.linalg.solve(cov, d.T).T)
    return -0.5 * (quad + n * np.linalg.slogdet(cov)[1] + n * k * math.log(2 * math.pi))


def gaussian_log_likelihood_grad(x, mean, cov, mistake=""):
    inv = np.linalg.inv((cov + cov.T) / 2)
    s = (x - mean) @ inv
    dmean = s.mean(axis=0) if mistake == "mean" else s.sum(axis=0)
    n = 1 if mistake == "one" else len(x)
    dcov = 0.5 * (s.T @ s - n * inv)
    if mistake == "quad":
        dcov = -0.5 * n * inv
    return -s, dmean, dcov


def gaussian_process(y, X, log_length, log_noise):
    """The log marginal likelihood with a squared exponential kernel, by Cholesky."""
    K, _ = kernel_matrix(X, log_length, log_noise)
    L = np.linalg.cholesky(K)
    a = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return -0.5 * y @ a - np.sum(np.log(np.diag(L))) - 0.5 * len(y) * math.log(2 * math.pi)


def kernel_matrix(X, log_length, log_noise):
    square = np.sum((X[:, None] - X[None]) ** 2, axis=-1)
    k = np.exp(-0.5 * square / np.exp(2 * log_length))
    return k + np.exp(2 * log_noise) * np.eye(len(X)), (k, square)


def gaussian_process_grad(y, X, log_length, log_noise, mistake=""):
    K, (k, square) = kernel_matrix(X, log_length, log_noise)
    inv = np.linalg.inv(K)
    a = inv @ y
    dK = 0.5 * (np.outer(a, a) if mistake == "logdet" else np.outer(a, a) - inv)
    dlength = np.sum(dK * k * square) / np.exp(2 * log_length)
    if mistake == "log":
        dlength = dlength / np.exp(log_length)
    power = 1 if mistake == "half" else 2
    dnoise = power * np.exp(2 * log_noise) * np.trace(dK)
    weights = dK * k / np.exp(2 * log_length)
    dX = -2 * (weights.sum(axis=1)[:, None] * X - weights @ X)
    return -a, dX, dlength, dnoise


def ridge(X, y, lam):
    """The coefficients of ridge regression, differentiated at the solution."""
    return np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), X.T @ y)


def ridge_vjp(g, X, y, lam, mistake=""):
    w = ridge(X, y, lam)
    u = np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), g)
    r = y - X @ w
    dX = np.outer(r, u)
    if mistake != "normal matrix":
        dX = dX - np.outer(X @ u, w)
    if mistake == "right side":
        dX = -np.outer(X @ w, u) - np.outer(X @ u, w)
    dlam = u @ w if mistake == "sign" else -u @ w
    return dX, X @ u, dlam


def pca_loss(X):
    """What the best two directions leave of centred data: the sum of the other squared values."""
    return np.sum(np.linalg.svd(X - X.mean(axis=0), compute_uv=False)[2:] ** 2)


def pca_grad(X, mistake=""):
    xc = X - X.mean(axis=0)
    u, s, vt = np.linalg.svd(xc, full_matrices=False)
    keep = np.arange(len(s)) < 2 if mistake == "kept" else np.arange(len(s)) >= 2
    d = (u * (s * keep)) @ vt
    if mistake == "values":
        d = (u * keep) @ vt
    d = 2 * d
    return d / 2 if mistake == "half" else d


def largest_eigenvalue(A):
    """Of a symmetric matrix; eigvalsh reads the lower triangle, so it is symmetrised first."""
    return np.linalg.eigvalsh((A + A.T) / 2)[-1]


def largest_eigenvalue_grad(A, mistake=""):
    values, vectors = np.linalg.eigh((A + A.T) / 2)
    v = vectors[-1] if mistake == "row" else vectors[:, -1]
    if mistake == "smallest":
        v = vectors[:, 0]
    if mistake == "diagonal":
        return np.diag(v**2)
    return np.outer(v, v)


def cholesky_sample(A, z):
    """Correlated noise L·z with A = L·Lᵀ, where A is symmetrised first."""
    return np.linalg.cholesky((A + A.T) / 2) @ z


def cholesky_sample_vjp(g, A, z, mistake=""):
    L = np.linalg.cholesky((A + A.T) / 2)
    P = np.tril(L.T @ np.tril(np.outer(g, z)))
    if mistake != "diagonal":
        P[np.diag_indices_from(P)] /= 2
    inv = np.linalg.inv(L)
    S = inv.T @ P @ inv
    dz = L @ g if mistake == "transpose" else L.T @ g
    if mistake == "triangle":
        return S, dz
    return (S + S.T) / 2, dz


def power_iteration(A, v):
    """PageRank: 8 steps of x ← 0.85·A·x + 0.15·v, from v."""
    x = v
    for _ in range(8):
        x = 0.85 * A @ x + 0.15 * v
    return x


def power_iteration_vjp(g, A, v, mistake=""):
    path = [v]
    for _ in range(8):
        path.append(0.85 * A @ path[-1] + 0.15 * v)
    dA, dv, d = np.zeros_like(A), np.zeros_like(v), g
    for x in reversed(path[:-1]):
        dA = dA + 0.85 * np.outer(d, path[-1] if mistake == "fixed" else x)
        dv = dv + 0.15 * d
        d = 0.85 * (A @ d if mistake == "transpose" else A.T @ d)
        if mistake == "one step":
            return dA, dv
    return dA, dv + d


def rbf_kernel(X, Z, gamma):
    square = np.sum(X**2, axis=1)[:, None] + np.sum(Z**2, axis=1) - 2 * X @ Z.T
    return np.exp(-gamma * square)


def rbf_kernel_vjp(g, X, Z, gamma, mistake=""):
    square = np.sum(X**2, axis=1)[:, None] + np.sum(Z**2, axis=1) - 2 * X @ Z.T
    w = g * np.exp(-gamma * square)
    c = gamma if mistake == "two" else 2 * gamma
    dX = c * (w @ Z - w.sum(axis=1)[:, None] * X)
    dZ = c * (w.T @ X - w.sum(axis=0)[:, None] * Z)
    if mistake == "cross":
        dX = c * w @ Z
    root = np.sqrt(np.maximum(square, 0)) if mistake == "root" else square
    return dX, dZ, -np.sum(w * root)


CASES = [
    Case(
        "solution of a linear system",
        "linalg",
        solve,
        solve_vjp,
        {
            "A is not transposed": (with_mistake(solve_vjp, "transpose"), TRANSPOSED),
            "the outer product of A's gradient is in the wrong order": (
                with_mistake(solve_vjp, "order"),
                (*TRANSPOSED, "order", "swap", "exchang"),
            ),
            "the minus of A's gradient is forgotten": (with_mistake(solve_vjp, "sign"), SIGN),
        },
        lambda rng: (rng.normal(size=(4, 4)) + 3 * np.eye(4), rng.normal(size=4)),
    ),
    Case(
        "matrix inverse",
        "linalg",
        lambda A: np.linalg.inv(A),
        inverse_vjp,
        {
            "the inverse is not transposed": (with_mistake(inverse_vjp, "transpose"), TRANSPOSED),
            "the minus is forgotten": (with_mistake(inverse_vjp, "sign"), SIGN),
            "only one of the two inverses": (
                with_mistake(inverse_vjp, "one factor"),
                (*missed("factor", "inverse", "inv", "side"), "once", "inverse", r"\binv\b"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 4)) + 3 * np.eye(4),),
    ),
    Case(
        "log-determinant from the lower triangle",
        "linalg",
        log_determinant,
        log_determinant_grad,
        {
            "the inverse, as for an unrestricted matrix": (
                with_mistake(log_determinant_grad, "full"),
                ONE_TRIANGLE,
            ),
            "the triangle of the inverse, not doubled": (
                with_mistake(log_determinant_grad, "half"),
                (*ONE_TRIANGLE, *HALF),
            ),
            "the diagonal is doubled too": (
                with_mistake(log_determinant_grad, "double diagonal"),
                ("diagonal", *TWICE),
            ),
        },
        lambda rng: ((lambda B: B @ B.T + np.eye(4))(rng.normal(size=(4, 4))),),
        form="grad",
    ),
    Case(
        "log-likelihood of a Gaussian",
        "linalg",
        gaussian_log_likelihood,
        gaussian_log_likelihood_grad,
        {
            "the mean's gradient is averaged over the rows": (
                with_mistake(gaussian_log_likelihood_grad, "mean"),
                ("mean where a sum", "averag", "mean instead", *scaled(r"(0\.16\d*|1/6)", "6")),
            ),
            "the log-determinant counts once, not once a row": (
                with_mistake(gaussian_log_likelihood_grad, "one"),
                ("det", *missed("rows", "factor", "sum", "batch", "times"), "term", "6"),
            ),
            "the quadratic form is left out of the covariance's gradient": (
                with_mistake(gaussian_log_likelihood_grad, "quad"),
                missed("quad", "term", "path", "mahalanobis", "solve", "use"),
            ),
        },
        lambda rng: (
            rng.normal(size=(6, 3)),
            rng.normal(size=3),
            (lambda B: B @ B.T + np.eye(3))(rng.normal(size=(3, 3))),
        ),
        form="grad",
    ),
    Case(
        "marginal likelihood of a Gaussian process",
        "linalg",
        gaussian_process,
        gaussian_process_grad,
        {
            "the log-determinant is left out": (
                with_mistake(gaussian_process_grad, "logdet"),
                missed("det", "term", "path", r"\blog\b", "trace", "inverse"),
            ),
            "the gradient of the length, not of its logarithm": (
                with_mistake(gaussian_process_grad, "log"),
                ("logarithm", r"\blog\b", r"\bexp\b", *scaled(r"\d\S*", r"\d\S*"), "chain"),
            ),
            "the noise's factor 2 is forgotten": (
                with_mistake(gaussian_process_grad, "half"),
                HALF,
            ),
        },
        lambda rng: (rng.normal(size=7), rng.uniform(0, 3, size=(7, 2)), 0.2, -1.0),
        form="grad",
    ),
    Case(
        "ridge regression at its solution",
        "linalg",
        ridge,
        ridge_vjp,
        {
            "the normal matrix is treated as constant": (
                with_mistake(ridge_vjp, "normal matrix"),
                (*missed("path", "term", "use", "matrix", "inverse", "second"), "constant"),
            ),
            "y is left out of the gradient of X": (
                with_mistake(ridge_vjp, "right side"),
                missed("y", "path", "term", "use", "right.hand"),
            ),
            "the sign of lambda's gradient": (with_mistake(ridge_vjp, "sign"), SIGN),
        },
        lambda rng: (rng.normal(size=(8, 3)), rng.normal(size=8), 0.5),
    ),
    Case(
        "PCA: what two directions leave",
        "linalg",
        pca_loss,
        pca_grad,
        {
            "the kept directions instead of the others": (
                with_mistake(pca_grad, "kept"),
                (
                    "complement",
                    "kept",
                    "index were :2",
                    "other (direction|component)",
                    "singular",
                    "first two",
                    "select",
                ),
            ),
            "the singular values are left out": (
                with_mistake(pca_grad, "values"),
                (*missed("singular", "value", "factor", "scale"), "singular", "power", "exponent"),
            ),
            "the 2 of the square is forgotten": (with_mistake(pca_grad, "half"), HALF),
        },
        lambda rng: (rng.normal(size=(6, 4)) * [3, 2, 1, 0.5],),
        form="grad",
    ),
    Case(
        "largest eigenvalue",
        "linalg",
        largest_eigenvalue,
        largest_eigenvalue_grad,
        {
            "a row of the eigenvectors, which are columns": (
                with_mistake(largest_eigenvalue_grad, "row"),
                (*TRANSPOSED, "row", "column", "eigenvector"),
            ),
            "the smallest eigenvalue's vector": (
                with_mistake(largest_eigenvalue_grad, "smallest"),
                ("smallest", "eigen", "order", "wrong (vector|value|entry)", "select", "index"),
            ),
            "only the diagonal": (
                with_mistake(largest_eigenvalue_grad, "diagonal"),
                ("diagonal", *near("off", "(0|zero)"), "outer"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 5)),),
        form="grad",
    ),
    Case(
        "correlated noise by Cholesky",
        "linalg",
        cholesky_sample,
        cholesky_sample_vjp,
        {
            "the diagonal of Φ is not halved": (
                with_mistake(cholesky_sample_vjp, "diagonal"),
                ("diagonal", *HALF, *TWICE, "phi"),
            ),
            "not symmetrised": (with_mistake(cholesky_sample_vjp, "triangle"), ONE_TRIANGLE),
            "L is not transposed for z": (
                with_mistake(cholesky_sample_vjp, "transpose"),
                TRANSPOSED,
            ),
        },
        lambda rng: (
            (lambda B: B @ B.T + np.eye(4))(rng.normal(size=(4, 4))),
            rng.normal(size=4),
        ),
    ),
    Case(
        "PageRank by 8 steps",
        "linalg",
        power_iteration,
        power_iteration_vjp,
        {
            "only the last step is differentiated": (
                with_mistake(power_iteration_vjp, "one step"),
                (
                    *near("last|one|single", "step|iteration|only"),
                    *missed(
                        "step", "iteration", "path", "recurren", "earlier", "previous", "state"
                    ),
                    "truncat",
                ),
            ),
            "A is not transposed": (with_mistake(power_iteration_vjp, "transpose"), TRANSPOSED),
            "the final x for each step's x": (
                with_mistake(power_iteration_vjp, "fixed"),
                ("stale", "cache", *near("last|final", "state|step|value|iterate"), "iterate"),
            ),
        },
        lambda rng: (
            0.8 * np.roll(np.eye(5), 1, axis=0)
            + 0.2 * (lambda M: M / M.sum(axis=0))(rng.uniform(size=(5, 5))),
            (lambda p: p / p.sum())(rng.uniform(0, 1, size=5) ** 3),
        ),
    ),
    Case(
        "kernel matrix",
        "linalg",
        rbf_kernel,
        rbf_kernel_vjp,
        {
            "the 2 of the square is forgotten": (with_mistake(rbf_kernel_vjp, "two"), HALF),
            "X's gradient has the cross term only": (
                with_mistake(rbf_kernel_vjp, "cross"),
                missed("square", "term", "path", "use", "norm", "second"),
            ),
            "gamma's gradient has the distance, not its square": (
                with_mistake(rbf_kernel_vjp, "root"),
                ("square", "root", "power", "exponent"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 2)), rng.normal(size=(4, 2)), 0.6),
    ),
]
