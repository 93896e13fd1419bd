/** Base of every error a user can mend. The CLI prints its message and exits 1; anything else is a bug and prints its stack. */
export class DistillError extends Error {
  override name = "DistillError";
}

/** Tensor types that an op cannot accept. */
export class ShapeError extends DistillError {
  override name = "ShapeError";
}
