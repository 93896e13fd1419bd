/** Base of every error a user can mend. The CLI prints its message and exits 1; anything else is a bug and prints its stack. */
export class DistillError extends Error {
  override name = "DistillError";

  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** Work that was ended by who asked for it: what was done by then is kept, and nothing is to be mended. */
export class Stopped extends DistillError {
  override name = "Stopped";

  constructor() {
    super("Stopped. What was done by then is kept; the same command continues.");
  }
}

/** Why something failed, as a part of a sentence: the first line of what a library said. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.replace(/[.\s]+$/, "");

const LONGEST = 4000;

/** Names from files go into messages: what would move the cursor is spelled out, and what no one would read is cut. */
function printable(message: string): string {
  const cut = message.length > LONGEST ? `${message.slice(0, LONGEST)} …` : message;
  return cut.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** What the machine refused, such as a full disk, as a sentence; undefined for what is no such error. */
export function refusedByTheMachine(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, path, dest, message } = error as NodeJS.ErrnoException & { dest?: string };
  if (code && (syscall || code in CURES)) {
    const what = [syscall, path && `"${path}"`, dest && `to "${dest}"`].filter(Boolean).join(" ");
    const reason = message.replace(/^\w+: /, "").replace(new RegExp(`,? ?${syscall}\\b.*$`, "s"), "");
    return printable(
      `${what ? `Cannot ${what}: ` : ""}${reason} (${code}). ${CURES[code] ?? ""} What was written before is whole; the same command continues.`.replace(
        / {2}/g,
        " ",
      ),
    );
  }
  if (isOutOfMemory(error))
    return printable(
      `Memory ran out (${message.split("\n")[0]!.slice(0, 200)}). Free some, or make the work smaller: fewer or shorter rows, fewer sequences, a smaller model. What was written before is whole; the same command continues.`,
    );
  return undefined;
}

const CURES: Record<string, string> = {
  ENOENT: "Was it removed meanwhile?",
  ENOSPC: "The disk is full, or has no room for more files: free some.",
  EDQUOT: "The quota is used up: free some.",
  EROFS: "The disk is mounted to be read only.",
  EACCES: "Its permissions do not allow it.",
  EPERM: "Its permissions do not allow it.",
  EMFILE: "Too many files are open: raise ulimit -n.",
  EIO: "The disk failed.",
  ENOTDIR: "A part of the path is a file.",
  ENAMETOOLONG: "The name is too long.",
  EXDEV: "A part of the path is a link to another disk: let the whole folder of the run be the link.",
  EISDIR: "A folder lies where a file belongs: move it away.",
  EEXIST: "A file, or a link that leads nowhere, lies where a folder belongs: move it away.",
  ENOTEMPTY: "Somebody else put something there meanwhile.",
  ELOOP: "A link leads to itself: move it away.",
};

/** Whether an allocation failed, in whichever words the runtimes have for it. */
export const isOutOfMemory = (error: Error): boolean =>
  (error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY" ||
  /bad[_ ]alloc|out of memory|memory of device "\w+" is full|[Ff]ailed to allocate|[Aa]llocation failed|Cannot allocate memory|ENOMEM/.test(
    error.message,
  );

/** Tensor types that an op cannot accept. */
export class ShapeError extends DistillError {
  override name = "ShapeError";
}
