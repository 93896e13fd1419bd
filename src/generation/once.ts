/** `f`, called once for equal arguments. */
export function once<Args extends readonly (string | boolean)[], Result>(
  f: (...args: Args) => Result,
): ((...args: Args) => Result) & { all(): Result[] } {
  const known = new Map<string, Result>();
  const call = (...args: Args): Result => {
    const key = args.join(" ");
    const result = known.has(key) ? known.get(key)! : f(...args);
    known.set(key, result);
    return result;
  };
  return Object.assign(call, { all: () => [...known.values()] });
}
