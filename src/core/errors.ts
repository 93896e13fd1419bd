/** Base of every error a user can mend. The CLI prints its message and exits 1; anything else is a bug and prints its stack. */
export class DistillError extends Error {
  override name = "DistillError";

  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

const LONGEST = 4000;

/** Names from files go into messages: what would move the cursor is spelled out, and what no one would read is cut. */
function printable(message: string): string {
  const cut = message.length > LONGEST ? `${message.slice(0, LONGEST)} …` : message;
  return cut.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Tensor types that an op cannot accept. */
export class ShapeError extends DistillError {
  override name = "ShapeError";
}
