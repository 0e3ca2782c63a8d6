"""SciPy minimizes, this library differentiates: gradients and Hessian products for its methods.

`scipy.optimize.minimize` wants a function of one array and its gradient. `am.value_and_grad` makes
both of a plain NumPy function, and `am.hvp` the product of its Hessian and a vector, which is all
that Newton's method with conjugate gradients needs. Without them SciPy takes finite differences,
one call of the function more for each coordinate.
"""

from __future__ import annotations

import numpy as np

import autograd_mini as am

try:
    from scipy.optimize import minimize, rosen
    from sklearn.datasets import load_breast_cancer
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None


def rosenbrock(x):
    """Compute the banana-shaped valley, whose lowest point is (1, 1, …)."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def descend(name, function, start, **settings):
    """Minimize, print how it went, and return what SciPy found."""
    found = minimize(function, start, **settings)
    slope = np.abs(found.jac).max()
    print(f"  {name:<28} lowest value {found.fun:.3e}, steps {found.nit}, "
          f"calls {found.nfev}, largest slope {slope:.0e}")  # fmt: skip
    return found


def valley() -> None:
    """Walk down the valley in 20 dimensions, by three methods."""
    start = np.tile([-1.2, 1.0], 10)
    gradient = am.value_and_grad(rosenbrock)
    print("Rosenbrock's function of 20 coordinates")
    descend("BFGS, finite differences", rosenbrock, start, method="BFGS")
    descend("BFGS, our gradient", gradient, start, method="BFGS", jac=True)
    found = descend("Newton-CG, our Hessian too", gradient, start, method="Newton-CG",
                    jac=True, hessp=am.hvp(rosenbrock), options={"xtol": 1e-8})  # fmt: skip
    print(f"  distance from (1, 1, …): {np.abs(found.x - 1).max():.0e}")
    print(f"  our function is SciPy's: {np.isclose(rosenbrock(start), rosen(start))}")


def tumours() -> None:
    """Fit a logistic regression to real data by Newton's method: a few steps, to the last digit."""
    data = load_breast_cancer()
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    x = np.column_stack([x, np.ones(len(x))])  # the last weight is the bias
    sign = 2.0 * data.target - 1

    def loss(w):
        return np.mean(np.logaddexp(0, -sign * (x @ w))) + 0.01 * np.sum(w[:-1] ** 2)

    print(f"Logistic regression on {len(x)} tumours, {x.shape[1]} weights")
    start = np.zeros(x.shape[1])
    both = am.value_and_grad(loss)
    descend("L-BFGS-B, our gradient", both, start, method="L-BFGS-B", jac=True)
    found = descend("Newton-CG, our Hessian too", both, start, method="Newton-CG",
                    jac=True, hessp=am.hvp(loss), options={"xtol": 1e-8})  # fmt: skip
    print(f"  right: {np.mean(sign * (x @ found.x) > 0):.1%} of {len(x)}")
    eigenvalues = np.linalg.eigvalsh(am.hessian(loss)(found.x))
    print(f"  it is a minimum: the Hessian's eigenvalues lie from {eigenvalues[0]:.4f} to "
          f"{eigenvalues[-1]:.4f}")  # fmt: skip


def main() -> None:
    valley()
    tumours()


if __name__ == "__main__":
    main()
