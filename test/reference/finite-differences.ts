/**
 * The gradient of `f` at `x` by central differences: (f(x + s) - f(x - s)) / 2 s for each element, with s = `h` times the
 * size of the element, at least `h`. The error is of order h^2 f''' + 1e-16 f / h: about 1e-10 for f and its derivatives
 * near 1. `x` stays as it is.
 */
export function finiteDifferences(f: (x: Float64Array) => number, x: Float64Array, h = 1e-5): Float64Array {
  return x.map((at, i) => {
    const step = h * Math.max(1, Math.abs(at));
    const moved = Float64Array.from(x);
    moved[i] = at + step;
    const above = f(moved);
    moved[i] = at - step;
    // What was really added and taken away, after rounding.
    return (above - f(moved)) / (at + step - (at - step));
  });
}
